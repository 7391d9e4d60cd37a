/**
 * The flows host: Node-RED in a process of its own. It imports nothing of the gateway and reaches it like anybody's Node-RED,
 * over MQTT and HTTP. Started by a supervisor that talks to it on file descriptors 3 and 4; ends when that one does.
 */
import { chmodSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Activity } from './activity.ts';
import { Channel } from './channel.ts';
import { callerOf, createDoor } from './door.ts';
import { endOnFault } from './faults.ts';
import { loadNodeRed, type NodeRed } from './node-red.ts';
import { EDITOR_ROOT, ENDPOINT_ROOT, nodeRedSettings } from './settings.ts';
import { createStorage } from './storage.ts';

const WATCH = import.meta.url.endsWith('.ts') ? './watch.ts' : './watch.js';
/** Nodes have fifteen seconds to close; the supervisor waits a little longer. */
const STOP_MS = 16_000;

const activity = new Activity();
const channel = new Channel(3, () => process.exit(0));
let red: NodeRed | undefined;
endOnFault(channel, activity, () => red?.nodes);
activity.start();
new Worker(new URL(WATCH, import.meta.url), { workerData: activity.memory }).unref();

const start = await channel.start;
const { red: loaded, createApp, files, version } = loadNodeRed();
red = loaded;
const app = createApp();
const server = createDoor(app, start.doorSecret);
const storage = createStorage(channel, files);
const user = (header: string) => callerOf(header, start.doorSecret);
loaded.init(server, nodeRedSettings(start, channel, storage, user));
loaded.hooks.add('onReceive.aimx', ({ destination }) => {
  if (destination) activity.at(destination.id);
});
app.use(ENDPOINT_ROOT, loaded.httpNode);
app.use(EDITOR_ROOT, loaded.httpAdmin);

channel.onStop(() => {
  setTimeout(() => process.exit(0), STOP_MS).unref();
  server.close();
  server.closeAllConnections();
  void loaded.stop().then(() => process.exit(0));
});

await loaded.start();
await new Promise<void>((resolve) => server.listen(start.socket, resolve));
chmodSync(start.socket, 0o600);
channel.tell({ kind: 'ready', version, safeMode: start.safeMode });
