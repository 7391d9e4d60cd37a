/**
 * Runs Triton's Python client, unchanged, against a gateway with a model of each datatype.
 *
 *     python3 -m venv venv && venv/bin/pip install 'tritonclient[http]'
 *     node test/fault/triton.ts venv/bin/python
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeBundle } from '../inference/bundles.ts';
import { NUMERIC } from '../serving/wire.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { identityModel } from '../support/onnx.ts';

const folder = mkdtempSync(join(tmpdir(), 'aimx-triton-'));
for (const datatype of [...NUMERIC, 'BYTES' as const]) {
  writeBundle(join(folder, 'data/models'), {
    name: `same-${datatype.toLowerCase()}`,
    model: identityModel(datatype),
    manifest: {
      inputs: [{ name: 'x', datatype, shape: [-1], from: 'request' }],
      outputs: [{ name: 'y', datatype, shape: [-1] }],
    },
  });
}
const ports = await freePorts();
writeConfig(folder, ports, { gateway: { name: 'triton', dataDir: './data' } });
const gateway = await startGatewayProcess(folder, ports);
const script = join(import.meta.dirname, 'triton-client.py');
const client = spawn(process.argv[2] ?? 'python3', [script, `127.0.0.1:${ports.http}`, '--types'], {
  stdio: 'inherit',
});
const status = await new Promise<number | null>((resolve) => client.on('exit', resolve));
await gateway.stop();
rmSync(folder, { recursive: true, force: true });
process.exit(status ?? 1);
