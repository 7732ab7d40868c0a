"""What the operating system gives: durable files, processes, locks, limits, devices, jobs, text."""
