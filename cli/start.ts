import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demo } from './demo.ts';
import { onInterrupt } from './interrupt.ts';
import { runMain } from './main-program.ts';
import { natsAddressOf } from './nats-options.ts';
import { openStdout } from './output.ts';

/** The arguments of `npm start`: none, or only a server, show the demonstration; all others go to `shrike run`. */
const args = process.argv.slice(2);
const [first = '', second] = args;
const server = first.startsWith('--nats=') ? first.slice('--nats='.length) : first === '--nats' ? second : undefined;
const isDemo = args.length === 0 || (server !== undefined && args.length === (first === '--nats' ? 2 : 1));

await runMain(async (program) => {
  if (!isDemo) {
    await program.parseAsync(['run', ...args], { from: 'user' });
    return;
  }
  const interrupt = onInterrupt();
  const main = fileURLToPath(import.meta.resolve('./main.js'));
  const nats = natsAddressOf(server, {});
  const options = {
    enforce: true,
    command: `node ${relative('', main)}`,
    ...(nats && { nats }),
  };
  try {
    process.exitCode = await demo(options, openStdout(), interrupt.signal);
  } finally {
    interrupt.release();
  }
}, 'run');
