import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usualSockets } from '../../sensors/index.ts';
import { jsonLines, startProgram } from '../support/cli.ts';
import { startCriServer } from '../support/cri-server.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { until } from '../support/until.ts';

/** A runtime of this machine is nobody's to ask in a test. */
const occupied = usualSockets().find(({ path }) => existsSync(path))?.path;
const skip = liveUnavailable() ?? (occupied && `this machine has a container runtime at ${occupied}`);
const ID = 'c'.repeat(64);

const POLICY = `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  rules:
    - rule: Program of the shop
      condition: evt.type = execve and evt.failed = false and proc.name = uname and k8s.ns.name = shop
      priority: warning
      output: "%proc.name in %container.name (%container.image)"
`;

describe.skipIf(skip)(`shrike run --sensor linux${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('asks the runtime that CONTAINER_RUNTIME_ENDPOINT names', async () => {
    const folder = temporaryFolder();
    const [policy, socket] = [join(folder, 'p.yaml'), join(folder, 'cri.sock')];
    writeFileSync(policy, POLICY);
    const server = await startCriServer(socket, {
      runtimeName: 'cri-o',
      containers: new Map([
        [ID, { sandbox: 's', name: 'web', image: 'nginx:1', imageRef: 'nginx@sha256:ab', startedAt: 1n }],
      ]),
      sandboxes: new Map([['s', { name: 'web-0', uid: 'u', namespace: 'shop' }]]),
      images: new Map(),
    });
    onTestFinished(() => server.close());
    const cgroup = testCgroup();
    onTestFinished(() => cgroup.remove());
    const container = cgroup.child(`crio-${ID}.scope`);
    const args = ['run', '--sensor', 'linux', '--scope', cgroup.path, '--policies', policy, '--json'];
    const { process: agent, finished } = startProgram('main', [...args, '--audit', join(folder, 'audit')], {
      CONTAINER_RUNTIME_ENDPOINT: `unix://${socket}`,
    });
    let out = '';
    agent.stdout.on('data', (part: string) => {
      out += part;
    });
    await until(() => out.includes('"start"'));
    await container.run('uname');
    await until(() => out.includes('"rule"'));
    agent.kill('SIGINT');
    const { code, stdout } = await finished;
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([
      { type: 'start', scope: cgroup.path },
      {
        rule: 'Program of the shop',
        output: 'uname in web (nginx:1)',
        container: { id: 'cccccccccccc', name: 'web', image: 'nginx:1', pod: 'web-0', namespace: 'shop' },
      },
      { type: 'summary', alerts: 1 },
    ]);
  });
});
