from pages.ui import controls, frame, monitor, watched

workspace = frame.page("Training", "📈")
controls.start_form(workspace)
controls.messages(workspace)
run = watched.choose(workspace)
monitor.show(run, controls.watch_form(workspace, run))
