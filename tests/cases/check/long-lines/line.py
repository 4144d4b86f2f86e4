"""A record of so many MiB on one line, in a form; then one that is bad."""
import sys

form, mib = sys.argv[1], int(sys.argv[2])
before, between, after = {
    "ndjson": ('{"sex":"1","x":"', '"}\n', '{"sex":"9"}\n'),
    "array": ('[{"sex":"1","x":"', '"},\n', '{"sex":"9"}]\n'),
    "csv": ("sex,x\n1,", "\n", "9,x\n"),
    "quoted": ('sex,x\n1,"', '"\n', "9,x\n"),
    "json": ('{\n"sex":"1","x":"', '"}\n', ""),
}[form]
sys.stdout.write(before)
for _ in range(mib):
    sys.stdout.write("x" * (1 << 20))
sys.stdout.write(between + after)
