import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLinuxSensor, type LinuxKernel } from '../../../sensors/linux/index.ts';
import { hostAccounts } from '../../../sensors/linux/users.ts';
import { temporaryFolder } from '../../support/folder.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('names of users and groups', () => {
  const hostOf = (files: Readonly<Record<string, string>>): string => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'etc'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'etc', name), text);
    return root;
  };

  it('are those of the files, the first where there are several', () => {
    const accounts = hostAccounts(
      hostOf({
        passwd:
          'root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:\n\n# no entry\nweb:x:33:34::/srv:/bin/false\nbad:x:99999999999:0::/:\n',
        group: 'root:x:0:\nwww:x:33:alice\nagain:x:33:\n',
      }),
    );
    expect([0, 33, 34].map((uid) => accounts.user(uid))).toEqual([
      { name: 'root', homedir: '/root', shell: '/bin/sh' },
      { name: 'web', homedir: '/srv', shell: '/bin/false' },
      { name: '<NA>', homedir: '<NA>', shell: '<NA>' },
    ]);
    expect([0, 33, 34].map((gid) => accounts.group(gid))).toEqual(['root', 'www', '<NA>']);
    expect([...accounts.uids()]).toEqual([0, 33]);
    expect([...accounts.gids()]).toEqual([0, 33]);
  });

  it('are read again when a file changes, and gone with it', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const root = hostOf({ passwd: 'web:x:33:33::/:\n', group: 'web:x:33:\n' });
    const accounts = hostAccounts(root);
    expect(accounts.user(33)?.name).toBe('web');
    const before = accounts.version();
    writeFileSync(join(root, 'etc/passwd'), 'www:x:33:33::/:\n');
    utimesSync(join(root, 'etc/passwd'), 1, 1);
    expect(accounts.user(33)?.name).toBe('web');
    expect(accounts.version()).toBe(before);
    vi.advanceTimersByTime(1_000);
    expect(accounts.version()).not.toBe(before);
    expect(accounts.user(33)?.name).toBe('www');
    rmSync(join(root, 'etc/passwd'));
    vi.advanceTimersByTime(1_000);
    expect(accounts.user(33)).toBeUndefined();
    expect(accounts.group(33)).toBe('web');
  });

  it('are not known where there are no files, but for root, who is root everywhere', () => {
    const accounts = hostAccounts(join(temporaryFolder(), 'nothing'));
    expect([0, 33].map((uid) => accounts.user(uid))).toEqual([
      { name: 'root', homedir: '/root', shell: '<NA>' },
      undefined,
    ]);
    expect([0, 33].map((gid) => accounts.group(gid))).toEqual(['root', undefined]);
  });
});

describe('a sensor of the running kernel', () => {
  const kernel = {
    cgroupId: (path: string) => (path === '/a' ? 7n : undefined),
  } as Partial<LinuxKernel> as LinuxKernel;

  it('needs a cgroup that is there', () => {
    expect(() => createLinuxSensor({ scope: '/b', kernel })).toThrow(
      'there is no cgroup /b; give its path below the cgroup v2 mount, as /system.slice/nginx.service',
    );
  });

  it('lets the agent take what arrives until the source ends, or the signal comes', async () => {
    let pumped = 0;
    const pump = () => void pumped++;
    const never = new AbortController().signal;
    const source = () => new Promise<void>((resolve) => setTimeout(resolve, 60));
    expect(await createLinuxSensor({ scope: '/a', kernel, source }).run(pump, never)).toEqual({
      calls: 0,
      problems: [],
    });
    expect(pumped).toBeGreaterThan(2);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    expect(await createLinuxSensor({ scope: '/a', kernel }).run(pump, stop.signal)).toEqual({ calls: 0, problems: [] });
  });

  it('ends with what goes wrong in taking it', async () => {
    const pump = () => {
      throw new Error('the reader has ended');
    };
    const run = createLinuxSensor({ scope: '/a', kernel }).run(pump, new AbortController().signal);
    await expect(run).rejects.toThrow('the reader has ended');
  });
});
