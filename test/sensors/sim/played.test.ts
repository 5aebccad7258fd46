import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  createSimHost,
  type PreparedCall,
  type SimArgument,
  type SimHost,
  type SimTask,
} from '../../../sensors/index.ts';
import { prepareCall } from '../../../sensors/sim/index.ts';
import { count, seed } from '../../support/counts.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const O_RDWR_CREAT = 0o102;
const O_APPEND = 0o2000;
const O_NONBLOCK = 0o4000;
const O_NOATIME = 0o1000000;
const [F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC] = [0, 1, 2, 3, 4, 1030] as const;
const FD_CLOEXEC = 1;
const WNOHANG = 1;
const ECHILD = 10;
const RUNS = count(1000);
const CALLS = 80;

type Step = readonly [name: string, ...args: readonly SimArgument[]];

const path = fc.constantFrom('a', 'b', 'd', 'l', 'd/a', 'l/a', './b', '../w/a', '/w/a', '/w/l', '/w/l/a', '/w/d/b');
const fd = fc.integer({ min: 2, max: 7 });
const small = fc.integer({ min: -2, max: 9 });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant('openat'), fc.constant(AT_FDCWD), path, fc.constantFrom(0, 0, O_RDWR_CREAT), fc.constant(0o644)),
  fc.tuple(fc.constant('read'), fd, fc.constant(0), small),
  fc.tuple(fc.constant('pread64'), fd, fc.constant(0), small, small),
  fc.tuple(fc.constant('lseek'), fd, small, fc.constantFrom(0, 1, 2, 3)),
  fc.tuple(fc.constant('write'), fd, fc.constantFrom('x', 'yz', 'hello'), fc.constantFrom(1, 2)),
  fc.tuple(fc.constant('write'), fd, fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 0, max: 12 })),
  fc.tuple(fc.constant('close'), fd),
  fc.tuple(fc.constant('fcntl'), fd, fc.constantFrom(F_DUPFD, F_DUPFD_CLOEXEC), small),
  fc.tuple(fc.constant('fcntl'), fd, fc.constant(F_SETFD), fc.constantFrom(0, FD_CLOEXEC)),
  fc.tuple(fc.constant('fcntl'), fd, fc.constant(F_SETFL), fc.constantFrom(0, O_APPEND, O_NONBLOCK, O_NOATIME)),
  fc.tuple(fc.constant('getdents64'), fd, fc.constant(0), fc.constantFrom(24, 50, 4096)),
  fc.tuple(fc.constant('umask'), fc.constantFrom(0, 0o22, 0o77)),
  fc.tuple(
    fc.constant('newfstatat'),
    fc.constant(AT_FDCWD),
    path,
    fc.constant(0),
    fc.constantFrom(0, AT_SYMLINK_NOFOLLOW),
  ),
  fc.tuple(fc.constant('access'), path, fc.constant(0)),
  fc.tuple(fc.constant('unlink'), path),
  fc.tuple(fc.constant('symlink'), fc.constantFrom('d', 'a', '/w/d', 'nowhere'), path),
  fc.tuple(fc.constant('rename'), path, path),
  fc.tuple(fc.constant('mkdir'), path, fc.constant(0o755)),
  fc.tuple(fc.constant('rmdir'), path),
  fc.tuple(fc.constant('chdir'), fc.constantFrom('/w', '/w/d', 'd', '..')),
);

const worker = (host: SimHost): SimTask => host.spawn({ exepath: '/usr/bin/bash', cwd: '/w' });

/** Everything below a directory, what descriptors are like, and what they read from where they are. */
const stateOf = (host: SimHost, task: SimTask): unknown => {
  const below = (folder: string): unknown[] =>
    host.fs.list(folder).map((name) => {
      const at = `${folder}/${name}`;
      const target = host.call(task, 'readlink', [at, 0, 99]).data;
      if (target !== undefined) return [at, 'link', new TextDecoder().decode(target)];
      const mode = host.fs.stat(at)?.mode ?? 0;
      return (mode & 0o170000) === 0o040000 ? [at, mode, ...below(at)] : [at, mode, host.fs.read(at)];
    });
  const files = below('/w');
  const reads = task.fds
    .filter((each) => each > 2)
    .map((each) => {
      const flags = [F_GETFD, F_GETFL].map((command) => host.call(task, 'fcntl', [each, command]).result);
      const entries = host.call(task, 'getdents64', [each, 0, 4096]).result;
      const { result, data } = host.call(task, 'read', [each, 0, 20]);
      return [each, flags, entries, result, data && new TextDecoder().decode(data)];
    });
  return { files, reads, cwd: task.cwd, umask: host.call(task, 'umask', [0]).result };
};

/** Takes away what a run left. */
const clean = (host: SimHost, task: SimTask): void => {
  host.end(task, { status: 0 });
  const janitor = host.spawn({ exepath: '/usr/bin/bash', cwd: '/' });
  const remove = (folder: string): void => {
    for (const name of host.fs.list(folder)) {
      const at = `${folder}/${name}`;
      if (host.call(janitor, 'unlink', [at]).result === 0) continue;
      remove(at);
      host.call(janitor, 'rmdir', [at]);
    }
  };
  remove('/w');
  host.end(janitor, { status: 0 });
};

it('leaves a host as the recorded calls do when they are made, however what they found is remembered', () => {
  const [real, making, playing] = [createSimHost(), createSimHost(), createSimHost()];
  for (const host of [real, making, playing]) host.fs.mkdir('/w');
  const ready = new Map<string, PreparedCall>();
  let succeeded = 0;
  let made = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: CALLS, maxLength: CALLS }), (steps) => {
      const [recorded, called, played] = [worker(real), worker(making), worker(playing)];
      try {
        for (const [name, ...args] of steps) {
          const { result } = real.call(recorded, name, args);
          making.call(called, name, args, { recorded: { result } });
          const key = JSON.stringify([name, args, result]);
          const call = ready.get(key) ?? prepareCall(name, args, { recorded: { result } });
          ready.set(key, call);
          playing.play(played, call);
          made += 1;
          if (result >= 0) succeeded += 1;
        }
        expect(stateOf(playing, played)).toEqual(stateOf(making, called));
      } finally {
        clean(real, recorded);
        clean(making, called);
        clean(playing, played);
      }
    }),
    { numRuns: RUNS, seed: seed('calls that are played') },
  );
  expect(succeeded / made).toBeGreaterThan(0.15);
});

it('follows a symbolic link to where it leads now, though the path was found before', () => {
  const host = createSimHost();
  for (const folder of ['/w/d', '/w/e']) host.fs.write(`${folder}/a`, folder);
  const task = worker(host);
  const ready = new Map<string, PreparedCall>();
  const play = (name: string, args: readonly SimArgument[], result: number): void => {
    const key = JSON.stringify([name, args, result]);
    const call = ready.get(key) ?? prepareCall(name, args, { recorded: { result } });
    ready.set(key, call);
    host.play(task, call);
  };
  const opened = (): string => {
    play('openat', [AT_FDCWD, '/w/l/a', 0, 0], 3);
    const { data } = host.call(task, 'readlink', ['/proc/self/fd/3', 0, 99]);
    play('close', [3], 0);
    return new TextDecoder().decode(data);
  };
  for (const target of ['d', 'e', 'd']) {
    play('symlink', [target, '/w/l'], 0);
    expect([opened(), opened()]).toEqual([`/w/${target}/a`, `/w/${target}/a`]);
    play('unlink', ['/w/l'], 0);
  }
  play('symlink', ['e', '/w/other'], 0);
  play('symlink', ['d', '/w/l'], 0);
  expect(opened()).toBe('/w/d/a');
  play('rename', ['/w/other', '/w/l'], 0);
  expect(opened()).toBe('/w/e/a');
});

it('waits for the child that it waited for when it was recorded', () => {
  const host = createSimHost();
  const task = worker(host);
  const play = (name: string, args: readonly SimArgument[], result: number): void =>
    host.play(task, prepareCall(name, args, { recorded: { result } }));
  const [one, other, third] = [0, 1, 2].map(() => host.call(task, 'fork', []).result) as [number, number, number];
  for (const pid of [one, other]) host.end(host.task(pid) as SimTask, { status: 0 });
  const isLeft = (pid: number): boolean => host.call(task, 'wait4', [pid, 0, WNOHANG]).result !== -ECHILD;
  play('wait4', [-1, 0, 0], other);
  expect(isLeft(other)).toBe(false);
  play('wait4', [one, 0, WNOHANG], one);
  expect(isLeft(one)).toBe(false);
  play('wait4', [-1, 0, WNOHANG], 0);
  play('wait4', [-1, 0, 0], third);
  expect(isLeft(third)).toBe(true);
});
