// A viewer made with the library `ws`: what happens to it is printed, one JSON object a line, and what it shall do is
// read the same way (tests/harness/node.py).  It ends with its standard input, so it outlives no test run.
"use strict";

const { createInterface } = require("node:readline");
const WebSocket = require("ws");

const { address, protocols, options } = JSON.parse(process.argv[2]);
const socket = new WebSocket(address, protocols, options);
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

socket.on("open", () => print({ open: socket.protocol, extensions: socket.extensions }));
socket.on("message", (data, binary) => print({ message: data.toString(), binary }));
socket.on("ping", (data) => print({ ping: data.toString() }));
socket.on("pong", (data) => print({ pong: data.toString() }));
socket.on("error", (error) => print({ error: error.message }));
socket.on("close", (code, reason) => print({ close: code, reason: reason.toString() }));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { ping, send, close } = JSON.parse(line);
    if (ping !== undefined) socket.ping(ping);
    if (send !== undefined) socket.send(send);
    if (close !== undefined) socket.close(close);
  })
  .on("close", () => process.exit());
