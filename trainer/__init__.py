"""All but the pages: data, configurations, runs, the engine that trains, evaluation, and the detector for devices.

Nothing is told to anybody. onnxruntime, from 1.32 on, writes a device id below the home directory and sends usage
events unless this is set before its first import; a page, a process and a user's program import this package first.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
