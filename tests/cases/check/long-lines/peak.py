"""Runs a command, and says whether it stayed under so many MiB."""
import resource, subprocess, sys

limit_mib, *command = sys.argv[1:]
code = subprocess.run(command).returncode
peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print("memory stayed under" if peak_mib < int(limit_mib) else f"{peak_mib:.0f} MiB are over", limit_mib, "MiB")
sys.exit(code)
