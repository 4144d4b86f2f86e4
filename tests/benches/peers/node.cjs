// Times ajv on the same file: `node.cjs SCHEMA RECORDS RUNS` prints name, seconds, conforming, failing.
const fs = require("node:fs");
const Ajv2020 = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;

const [schemaFile, recordsFile, runs] = process.argv.slice(2);
const ajv = new Ajv2020({ strict: false });
addFormats(ajv);
const isValid = ajv.compile(JSON.parse(fs.readFileSync(schemaFile, "utf8")));
for (let run = 0; run < Number(runs); run++) {
  const begin = process.hrtime.bigint();
  let conforming = 0;
  let failing = 0;
  const bytes = fs.readFileSync(recordsFile);
  for (let start = 0; start < bytes.length; ) {
    let end = bytes.indexOf(10, start);
    if (end < 0) end = bytes.length;
    if (isValid(JSON.parse(bytes.toString("utf8", start, end)))) conforming++;
    else failing++;
    start = end + 1;
  }
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  console.log(["ajv (Node)", seconds, conforming, failing].join("\t"));
}
