// Boots a kernel under qemu and reads what the suite reports from there.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const MEMORY_MB = 1024;
const CONSOLE_LINES = 40;
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };
/**
 * All that TCG has but what is slow there, and cx16: with it Linux 6.12 panicked in its allocator under QEMU 7.2 (flags after cmpxchg16b
 * are the suspicion), without it never.
 */
const CPU = 'max,cx16=off,la57=off,pku=off,smap=off';
const KERNEL_OPTIONS = 'console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off nokaslr random.trust_cpu=on';

/** How the reason begins that `runGuest` gives where the kernel panicked. */
export const PANICKED = 'the kernel panicked';

for (const [name, number] of Object.entries(SIGNALS)) process.once(name, () => process.exit(128 + number));

/**
 * Boots a guest and calls `onMessage` for each object it reports, a line of JSON each; ends when it is off, and ends it when it takes
 * longer than `limitMs` in all or says nothing for `silenceMs`.
 * @returns {Promise<string | undefined>} why it ended otherwise than by itself, with the console's last lines
 */
export const runGuest = ({ kernel, image, consoleFile, limitMs, silenceMs, onMessage }) =>
  new Promise((resolve) => {
    rmSync(consoleFile, { force: true });
    const child = spawn(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg', '-cpu', CPU, '-smp', '2', '-m', String(MEMORY_MB)],
        ...['-kernel', kernel, '-initrd', image, '-append', KERNEL_OPTIONS],
        ...['-no-reboot', '-nodefaults', '-display', 'none', '-monitor', 'none'],
        ...['-serial', `file:${consoleFile}`, '-serial', 'stdio'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const kill = () => void child.kill('SIGKILL');
    process.once('exit', kill);
    const lines = [];
    const keep = (line) => void lines.push(line);
    let ended = false;
    let late;
    const endAfter = (ms, why) =>
      setTimeout(() => {
        late = `${why} ${ms / 1000} seconds`;
        kill();
      }, ms);
    const limit = endAfter(limitMs, 'the guest was still running after');
    const silence = endAfter(silenceMs, 'the guest said nothing for');
    createInterface({ input: child.stderr }).on('line', keep);
    createInterface({ input: child.stdout }).on('line', (line) => {
      let message;
      try {
        message = JSON.parse(line);
      } catch {
        keep(line);
        return;
      }
      silence.refresh();
      if (message.kind === 'end') ended = true;
      onMessage(message);
    });
    const finish = (what) => {
      clearTimeout(limit);
      clearTimeout(silence);
      process.off('exit', kill);
      const last = lines.slice(-CONSOLE_LINES);
      const end = last.length === 0 ? '' : `; the console's last lines:\n  ${last.join('\n  ')}`;
      resolve(what === undefined ? undefined : `${what}${end}`);
    };
    child.on('error', (error) => finish(`qemu can't be started: ${error.message}`));
    child.on('close', (code) => {
      if (existsSync(consoleFile)) lines.push(...readFileSync(consoleFile, 'utf8').split(/\r?\n/).filter(Boolean));
      if (late !== undefined) finish(late);
      else if (lines.some((line) => line.includes('Kernel panic'))) finish(PANICKED);
      else if (!ended) finish(`the guest went off before its suite ended (qemu's exit code ${code})`);
      else finish(undefined);
    });
  });
