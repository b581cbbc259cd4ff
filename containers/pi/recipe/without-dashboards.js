// Takes the dashboards' nodes out of a flow file: Node-RED starts no flow while it waits for a type of node.
const fs = require("fs");
const nodes = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
fs.writeFileSync(process.argv[2], JSON.stringify(nodes.filter((node) => !/^ui[-_]/.test(node.type)), null, 4) + "\n");
