// Peers that Node drives: `node.cjs SCHEMA RECORDS`.
//
// A line on standard input names a road; the answer is CPU seconds, conforming, failing for one pass over the records.
const fs = require("node:fs");
const readline = require("node:readline");
const Ajv2020 = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;

const [schemaFile, recordsFile] = process.argv.slice(2);
const records = fs.readFileSync(recordsFile);
const ajv = new Ajv2020({ strict: false });
addFormats(ajv);
const isValid = ajv.compile(JSON.parse(fs.readFileSync(schemaFile, "utf8")));

const ROADS = {
  ajv() {
    let conforming = 0;
    let failing = 0;
    for (let start = 0; start < records.length; ) {
      let end = records.indexOf(10, start);
      if (end < 0) end = records.length;
      if (isValid(JSON.parse(records.toString("utf8", start, end)))) conforming++;
      else failing++;
      start = end + 1;
    }
    return [conforming, failing];
  },
};

readline.createInterface({ input: process.stdin }).on("line", (road) => {
  const begin = process.cpuUsage();
  const counts = ROADS[road]();
  const { user, system } = process.cpuUsage(begin);
  console.log([(user + system) / 1e6, ...counts].join("\t"));
});
