import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLinuxSensor, type LinuxKernel } from '../../../sensors/linux/index.ts';
import { createUserNames } from '../../../sensors/linux/users.ts';
import { temporaryFolder } from '../../support/folder.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('names of users', () => {
  const passwd = (text: string): string => {
    const path = join(temporaryFolder(), 'passwd');
    writeFileSync(path, text);
    return path;
  };

  it('are those of the file, the first where there are several', () => {
    const nameOf = createUserNames(
      passwd('root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:\n\n# no entry\nweb:x:33:33::/:\n'),
    );
    expect([0, 33, 34].map(nameOf)).toEqual(['root', 'web', undefined]);
  });

  it('are read again when the file changes, and gone with it', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const path = passwd('web:x:33:33::/:\n');
    const nameOf = createUserNames(path);
    expect(nameOf(33)).toBe('web');
    writeFileSync(path, 'www:x:33:33::/:\n');
    utimesSync(path, 1, 1);
    expect(nameOf(33)).toBe('web');
    vi.advanceTimersByTime(1_000);
    expect(nameOf(33)).toBe('www');
  });

  it('are none where there is no file', () => {
    expect(createUserNames(join(temporaryFolder(), 'nothing'))(0)).toBeUndefined();
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
