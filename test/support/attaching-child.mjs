// Attaches an empty program to the tasks of one cgroup, says which ids of the kernel it holds, and waits for its end.
import { readdirSync, readFileSync } from 'node:fs';
import { assemble, call, exit, jeq, label, lddw, mov, R0, R1 } from '../../dist/engine/isa/index.js';
import { openLinuxKernel } from '../../dist/sensors/linux/index.js';

const ANCESTOR_CGROUP_ID = 123;
const [scope, id, level] = process.argv.slice(2);
const kernel = openLinuxKernel({ scope });
const items = [
  mov(R1, Number(level)),
  call(ANCESTOR_CGROUP_ID),
  lddw(R1, BigInt(id)),
  jeq(R0, R1, 'inside'),
  mov(R0, 0),
  exit(),
  label('inside'),
  mov(R0, 0),
  exit(),
];
for (const hook of ['tp_btf/sched_process_exec', 'raw_tp/sys_enter'])
  kernel.attach(
    kernel.loadProgram(
      { name: 'child', hook, instructions: assemble(items).instructions, relocations: [], lines: [] },
      new Map(),
    ),
  );
const ring = { name: 'child', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 };
kernel.stream([kernel.createMap(ring)], 8);

const ids = { link_id: [], prog_id: [], map_id: [] };
for (const fd of readdirSync('/proc/self/fdinfo')) {
  let text = '';
  try {
    text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  } catch {
    continue;
  }
  for (const kind of Object.keys(ids)) {
    const found = new RegExp(`^${kind}:\\s+(\\d+)`, 'm').exec(text);
    if (found) ids[kind].push(Number(found[1]));
  }
}
console.log(JSON.stringify(ids));
setInterval(() => undefined, 1000);
