import { execFileSync } from 'node:child_process';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openCgroups } from '../../../sensors/linux/cgroups.ts';
import { cgroupLevel, cgroupMount } from '../../../sensors/linux/index.ts';
import { at } from '../../support/cli.ts';
import { liveUnavailable, type TestCgroup, testCgroup } from '../../support/live.ts';

const skip = liveUnavailable();

const made = (): TestCgroup => {
  const cgroup = testCgroup();
  onTestFinished(() => cgroup.remove());
  return cgroup;
};

const opened = (scope?: string) => {
  const cgroups = openCgroups(scope);
  onTestFinished(() => cgroups.close());
  return cgroups;
};

describe('where cgroup v2 is mounted', () => {
  it('is read from the list of mounts, spaces in its name included', () => {
    const lines = [
      '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
      '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
      '41 31 0:38 / /sys/fs/my\\040groups rw,relatime shared:4 - cgroup2 cgroup2 rw',
    ];
    expect(cgroupMount(lines.join('\n'))).toBe('/sys/fs/my groups');
    expect(cgroupMount(lines.slice(0, 2).join('\n'))).toBeUndefined();
  });

  it('gives each path a level, the root 0', () => {
    expect(['/', '/a', '/a/b.slice'].map(cgroupLevel)).toEqual([0, 1, 2]);
  });
});

describe.skipIf(skip)(`cgroups of this machine${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('have ids, the root 1, and paths', () => {
    const cgroup = made();
    const cgroups = opened(cgroup.path);
    expect(cgroups.id('/')).toBe(1n);
    expect(cgroups.id(cgroup.path)).toBe(cgroup.id);
    expect(cgroups.id(`${cgroup.path}/none`)).toBeUndefined();
    expect(cgroups.id(`${cgroup.path}/cgroup.procs`)).toBeUndefined();
    expect(cgroups.path(cgroup.id)).toBe(cgroup.path);
  });

  it('are refused where they begin below the host’s', () => {
    const { folder } = made();
    expect(() => openCgroups('/', folder)).toThrow(
      `the cgroups in ${folder} begin below the host's, as in a cgroup namespace, so that programs would not find the scope; start Shrike in the host's cgroup namespace (docker run --cgroupns=host) with the host's /sys/fs/cgroup`,
    );
  });

  it('are found by an id that nobody asked for yet in the scope, and in no other', () => {
    const [cgroup, other] = [made(), made()];
    const inner = cgroup.child('one').child('two words');
    const cgroups = opened(cgroup.path);
    expect(cgroups.path(inner.id)).toBe(`${cgroup.path}/one/two words`);
    expect(cgroups.path(other.id)).toBeUndefined();
    expect(opened().path(other.id)).toBe(other.path);
    expect(cgroups.path(1n << 60n)).toBeUndefined();
  });

  it('are still known when they are gone, for the events that are on their way', async () => {
    const cgroup = made();
    const inner = cgroup.child('brief');
    const [asked, late] = [opened(cgroup.path), opened(cgroup.path)];
    expect(asked.path(inner.id)).toBe(inner.path);
    await inner.remove();
    expect(asked.path(inner.id)).toBe(inner.path);
    expect(late.path(inner.id)).toBeUndefined();
  });

  it('are looked for one by one where ids can’t be opened (no CAP_DAC_READ_SEARCH)', () => {
    const [cgroup, other] = [made(), made()];
    const inner = cgroup.child('one').child('two');
    const script = `
      import { openCgroups } from ${JSON.stringify(at('dist/sensors/linux/cgroups.js'))};
      const cgroups = openCgroups(${JSON.stringify(cgroup.path)});
      const paths = [${inner.id}n, ${other.id}n].map((id) => cgroups.path(id) ?? 'none');
      console.log(paths.join(' '));
      cgroups.close();`;
    const without = ['--bounding-set=-dac_read_search', '--inh-caps=-dac_read_search'];
    const node = [process.execPath, '--input-type=module', '-e', script];
    expect(execFileSync('/usr/bin/setpriv', [...without, ...node], { encoding: 'utf8' })).toBe(`${inner.path} none\n`);
  });
});
