import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { at } from '../support/cli.ts';
import { kernelSkip } from '../support/kernel.ts';

const NOBODY = ['--reuid', '65534', '--clear-groups', '--inh-caps', '-all', '--ambient-caps', '-all'];
const MAIN = at('dist/cli/main.js');

const run = (command: string, ...args: readonly string[]) => {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: at('.') });
  return { error, status, stdout, stderr };
};
const asNobody = (...args: readonly string[]) => run('setpriv', ...NOBODY, process.execPath, MAIN, ...args);
const inNamespace = (...args: readonly string[]) => run('unshare', '-Ur', process.execPath, MAIN, ...args);

/** Why another user can't be played here. */
const skip =
  kernelSkip() ??
  (asNobody('--version').status === 0 ? undefined : 'setpriv can not run this Node as another user') ??
  (inNamespace('--version').status === 0 ? undefined : 'user namespaces are off');

describe.skipIf(skip)(
  `without privileges${skip === undefined ? '' : ` (skipped: ${skip})`}`,
  { timeout: 60_000 },
  () => {
    const why = 'creating a BPF map is refused (EPERM): this process (uid 65534) lacks CAP_BPF and CAP_PERFMON';
    const remedy = 'run it as root, or with the capabilities of scripts/systemd/shrike.service';

    it('doctor says what is lacking, and ends with 3', () => {
      const { status, stdout, stderr } = asNobody('doctor');
      expect({ status, stderr }).toEqual({ status: 3, stderr: '' });
      expect(stdout.split('\n').slice(0, 4)).toEqual([
        'kernel',
        `  missing  bpf(2)             ${why}`,
        '           without it:        everything',
        `           what to do:        ${remedy}`,
      ]);
    });

    it('so does run, before it touches anything', () => {
      expect(asNobody('run', '--sensor', 'linux', '--scope', '/no-such-cgroup')).toMatchObject({
        status: 3,
        stdout: '',
        stderr: `shrike: ${why}; ${remedy}\n"shrike doctor" says what this machine and these privileges allow\n`,
      });
    });

    it("root of a user namespace is told that its capabilities don't count", () => {
      expect(inNamespace('run', '--sensor', 'linux', '--scope', '/no-such-cgroup').stderr).toBe(
        'shrike: creating a BPF map is refused (EPERM): this process is in a user namespace, whose capabilities do not count for bpf(2); ' +
          "run it outside of the namespace; a container needs the host's user namespace\n" +
          '"shrike doctor" says what this machine and these privileges allow\n',
      );
    });

    it('CAP_BPF without CAP_PERFMON is told which of the two is lacking; both are enough', () => {
      const withCapabilities = (list: string) =>
        run(
          'setpriv',
          ...NOBODY.slice(0, 3),
          ...['--inh-caps', `-all,${list}`, '--ambient-caps', `-all,${list}`, '--bounding-set', `-all,${list}`],
          ...[process.execPath, MAIN, 'doctor', '--policies', 'policies/library/setuid.yaml'],
        );
      expect(withCapabilities('+bpf').stdout).toContain(
        "loading a BPF program that reads the kernel's memory is refused (EPERM): this process (uid 65534) lacks CAP_PERFMON\n",
      );
      const { status, stdout } = withCapabilities('+bpf,+perfmon');
      expect(stdout).toContain('maps and programs load (uid 65534, CAP_BPF, CAP_PERFMON)\n');
      expect(stdout).toContain('BPF_ENABLE_STATS is refused (EPERM)\n');
      expect(stdout).toMatch(/\nAll \d+ rules? run here; /);
      expect(status).toBe(0);
    });
  },
);
