from pages.ui import controls, frame, monitor, watched

workspace = frame.page("Training", ":material/monitoring:")
controls.start_form(workspace)
controls.messages(workspace)
run = watched.choose(workspace)
controls.stop_form(workspace, run)
monitor.show(run, controls.chart_form())
