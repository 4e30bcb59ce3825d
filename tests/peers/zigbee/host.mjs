// A Zigbee host made of zigbee-herdsman alone: it does what it is told on its standard input, one
// order a line, and answers each with one line.  It knows nothing of the project.
//
//   node host.mjs FOLDER-OF-MODULES FOLDER-FOR-STATE
//
// An order is {"do": NAME, "id": NUMBER, ...}; an answer {"done": NAME, "id": NUMBER, ...} or {"failed": NAME, ...,
// "why": TEXT}.  What happens by itself is told in between, as {"event": NAME, ...}.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [modules, state] = process.argv.slice(2);
const { Controller, setLogger, setOtaConfiguration } = createRequire(join(modules, "package.json"))("zigbee-herdsman");

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const log = (level) => (message, namespace) =>
    process.stderr.write(`${level} ${namespace}: ${typeof message === "function" ? message() : message}\n`);
const verbose = process.env.HOST_DEBUG ? log("debug") : () => {};
setLogger({ debug: verbose, info: log("info"), warning: log("warning"), error: log("error") });
setOtaConfiguration(state, undefined);

let controller;
const waiting = new Map(); // by address: who waits for the end of its interview

const named = (ieee) => `0x${ieee.replaceAll(":", "")}`;

function device(order) {
    const found = controller.getDeviceByIeeeAddr(named(order.ieee));
    if (!found) throw new Error(`${order.ieee} never joined`);
    return found;
}

function described(node) {
    return {
        type: node.type,
        manufacturer: node.manufacturerName,
        model: node.modelID,
        build: node.softwareBuildID,
        application: node.applicationVersion,
        power: node.powerSource,
        code: node.manufacturerID,
        network: node.networkAddress,
        endpoints: node.endpoints.map((endpoint) => ({
            id: endpoint.ID,
            servers: endpoint.inputClusters,
            clients: endpoint.outputClusters,
        })),
    };
}

const orders = {
    async start(order) {
        controller = new Controller({
            network: {
                panID: order.pan ?? 0x1a62,
                extendedPanID: order.extended ?? [0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd],
                channelList: [order.channel ?? 15],
                networkKey: order.key ?? [1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 13],
            },
            serialPort: { path: order.path, adapter: "zstack" },
            databasePath: join(state, "database.db"),
            databaseBackupPath: join(state, "database.db.backup"),
            backupPath: join(state, "coordinator_backup.json"),
            adapter: { disableLED: false },
            acceptJoiningDeviceHandler: async () => true,
        });
        controller.on("deviceInterview", ({ status, device: node }) => {
            say({ event: "interview", ieee: node.ieeeAddr, status });
            if (status !== "started") waiting.get(node.ieeeAddr)?.(status);
        });
        controller.on("deviceAnnounce", ({ device: node }) => say({ event: "announce", ieee: node.ieeeAddr }));
        controller.on("deviceLeave", ({ ieeeAddr }) => say({ event: "leave", ieee: ieeeAddr }));
        controller.on("adapterDisconnected", () => say({ event: "disconnected" }));
        const result = await controller.start();
        return { result, network: await controller.getNetworkParameters(), version: await controller.getCoordinatorVersion() };
    },
    async permit(order) {
        await controller.permitJoin(order.seconds);
    },
    async joined(order) {
        const ieee = named(order.ieee);
        const known = controller.getDeviceByIeeeAddr(ieee);
        if (known?.interviewState !== "SUCCESSFUL") {
            const status = await new Promise((resolve) => waiting.set(ieee, resolve));
            waiting.delete(ieee);
            if (status !== "successful") throw new Error(`the interview ended ${status}`);
        }
        return described(device(order));
    },
    async interview(order) {
        const node = device(order);
        await node.interview(true);
        return described(node);
    },
    async read(order) {
        const endpoint = device(order).getEndpoint(order.endpoint ?? 1);
        return { values: await endpoint.read(order.cluster, order.attributes, order.options ?? {}) };
    },
    async bind(order) {
        const coordinator = controller.getDevicesByType("Coordinator")[0].getEndpoint(1);
        await device(order).getEndpoint(order.endpoint ?? 1).bind(order.cluster, coordinator);
    },
    async check(order) {
        const { available, current } = await device(order).checkOta({ url: order.index }, undefined, {});
        return { available, current };
    },
    async update(order) {
        const settings = { requestTimeout: 150000, responseDelay: order.delay ?? 250, baseSize: order.size ?? 50 };
        const [cpu, clock] = [process.cpuUsage(), performance.now()];
        let took;
        const [before, after] = await device(order).updateOta(
            { url: order.file, downgrade: order.downgrade ?? false }, undefined, undefined, {},
            (percent) => {
                if (percent !== 100) return;
                const used = process.cpuUsage(cpu);
                took = { seconds: (performance.now() - clock) / 1000, cpu: (used.user + used.system) / 1e6 };
            },
            settings,
        );
        return { before, after, ...took };
    },
    async remove(order) {
        await device(order).removeFromNetwork();
    },
    async stop() {
        await controller.stop();
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    orders[order.do](order).then(
        (answer) => say({ done: order.do, id: order.id, ...answer }),
        (error) => say({ failed: order.do, id: order.id, why: String(error?.message ?? error) }),
    );
}
process.exit(0);
