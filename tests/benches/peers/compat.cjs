// Answers of json-schema-diff for a file of pairs: id, way, answer, milliseconds, tab-separated.
// What takes longer than ten seconds is stopped, with the thread that it blocks.
const { Worker, isMainThread, parentPort, workerData } = require("node:worker_threads");
const { readFileSync } = require("node:fs");
const MILLIS_MAX = 10_000;

const pairs = () => readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));

async function work() {
  const { diffSchemas } = require("json-schema-diff");
  for (const pair of workerData) {
    const started = performance.now();
    let answers;
    try {
      const told = await diffSchemas({ sourceSchema: pair.old, destinationSchema: pair.new });
      answers = [told.removalsFound ? "no" : "yes", told.additionsFound ? "no" : "yes"];
    } catch {
      answers = ["error", "error"];
    }
    parentPort.postMessage([answers, performance.now() - started]);
  }
}

async function main() {
  const all = pairs();
  const tell = (pair, answers, millis) =>
    ["backward", "forward"].forEach((way, at) => console.log([pair.id, way, answers[at], (millis / 2).toFixed(4)].join("\t")));
  for (let done = 0; done < all.length; ) {
    done += await new Promise((resolve) => {
      const left = all.slice(done);
      const worker = new Worker(__filename, { argv: process.argv.slice(2), workerData: left });
      let count = 0;
      let timer;
      const stop = () => {
        tell(left[count], ["slow", "slow"], MILLIS_MAX);
        worker.terminate().then(() => resolve(count + 1));
      };
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(stop, MILLIS_MAX);
      };
      wait();
      worker.on("message", ([answers, millis]) => {
        tell(left[count], answers, millis);
        count += 1;
        if (count < left.length) return wait();
        clearTimeout(timer);
        worker.terminate().then(() => resolve(count));
      });
      worker.on("error", () => {
        clearTimeout(timer);
        if (count < left.length) tell(left[count], ["error", "error"], 0);
        resolve(count + 1);
      });
    });
  }
}

isMainThread ? main() : work();
