// Prints what each module that is named consists of, a line for each part, however it is laid out; by the parser that
// node has inside.
const { readFileSync } = require("fs");
const { parse } = require("internal/deps/acorn/acorn/dist/acorn");

const part = (name, value) => (name === "start" || name === "end" ? undefined : value);
const read = (path) => parse(readFileSync(path, "utf8"), { ecmaVersion: "latest", sourceType: "module" });
const trees = process.argv.slice(2).map((path) => read(path).body.map((one) => JSON.stringify(one, part, 1).split("\n")));
console.log(JSON.stringify(trees.map((statements) => statements.flat())));
