"""Runs a command, and says whether it stayed within so many MiB: peak.py MIB COMMAND..."""
import resource, subprocess, sys

code = subprocess.run(sys.argv[2:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
print("within" if peak <= int(sys.argv[1]) else f"{peak} MiB, not within", sys.argv[1], "MiB")
sys.exit(code)
