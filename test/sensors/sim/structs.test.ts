import { describe, expect, it } from 'vitest';
import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';
import { createPeek, type Peek } from './peek.ts';

const KERNEL = 0xffff_8880_0000_0000n;

/** The names from a file up to the root of all mounts, found the way compiled programs find them. */
const walk = (host: SimHost, peek: Peek, path: { readonly dentry: bigint; readonly vfsmount: bigint }): string[] => {
  const offset = host.kernel.btf.access('mount.mnt')?.offset ?? 0;
  const names: string[] = [];
  let { dentry, vfsmount } = path;
  for (;;) {
    const mount = vfsmount - BigInt(offset);
    if (dentry === peek.field(vfsmount, 'vfsmount.mnt_root')) {
      const parent = peek.field(mount, 'mount.mnt_parent');
      if (parent === mount) return names;
      dentry = peek.field(mount, 'mount.mnt_mountpoint');
      vfsmount = parent + BigInt(offset);
      continue;
    }
    const parent = peek.field(dentry, 'dentry.d_parent');
    names.push(peek.text(peek.field(dentry, 'dentry.d_name.name')));
    if (parent === dentry) return names;
    dentry = parent;
  }
};

/** The struct file at a descriptor. */
const fileAt = (peek: Peek, task: SimTask, fd: number): bigint => {
  const table = peek.path(peek.task(task), 'task_struct.files', 'files_struct.fdt', 'fdtable.fd');
  const pointer = table + BigInt(fd * 8);
  return peek.field(pointer, 'path.mnt');
};

const pathOf = (peek: Peek, file: bigint) => ({
  dentry: peek.field(file, 'file.f_path.dentry'),
  vfsmount: peek.field(file, 'file.f_path.mnt'),
});

const user = (host: SimHost): SimTask =>
  host.spawn({
    exepath: '/usr/bin/bash',
    argv: ['-bash', '-l'],
    env: ['HOME=/home/alice'],
    uid: 1000,
    gid: 100,
    cwd: '/home/alice',
    loginuid: 1000,
  });

describe('task_struct', () => {
  it('says who the task is and whose child', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    const at = peek.task(task);
    expect(at >> 32n).toBe(KERNEL >> 32n);
    expect(peek.field(at, 'task_struct.pid')).toBe(BigInt(task.pid));
    expect(peek.field(at, 'task_struct.tgid')).toBe(BigInt(task.pid));
    expect(peek.text(at + BigInt(host.kernel.btf.access('task_struct.comm')?.offset ?? 0))).toBe('bash');
    expect(peek.field(at, 'task_struct.start_boottime')).toBe(task.startNs);
    expect(peek.field(at, 'task_struct.loginuid.val')).toBe(1000n);
    expect(peek.path(at, 'task_struct.real_parent', 'task_struct.tgid')).toBe(1n);
    expect(peek.field(at, 'task_struct.group_leader')).toBe(at);
  });

  it("gives threads their process's tgid, leader, memory and files", () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    const thread = host.task(host.call(task, 'clone', [0x10000 | 0x800 | 0x400 | 0x100]).result);
    if (!thread) throw new Error('no thread');
    const [first, second] = [peek.task(task), peek.task(thread)];
    expect(peek.field(second, 'task_struct.pid')).toBe(BigInt(thread.pid));
    expect(peek.field(second, 'task_struct.tgid')).toBe(BigInt(task.pid));
    expect(peek.field(second, 'task_struct.group_leader')).toBe(first);
    for (const member of ['mm', 'files', 'signal', 'real_parent'])
      expect(peek.field(second, `task_struct.${member}`), member).toBe(peek.field(first, `task_struct.${member}`));
    expect(peek.field(second, 'task_struct.fs')).not.toBe(peek.field(first, 'task_struct.fs'));
    expect(peek.path(first, 'task_struct.signal', 'signal_struct.live.counter')).toBe(2n);
    host.call(thread, 'exit', [0]);
    expect(peek.path(first, 'task_struct.signal', 'signal_struct.live.counter')).toBe(1n);
  });

  it('marks kernel threads, which have no memory', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const at = peek.task(host.spawn({ exepath: '', name: 'kthreadd', kernelThread: true }));
    expect(peek.field(at, 'task_struct.flags') & 0x0020_0000n).toBe(0x0020_0000n);
    expect(peek.field(at, 'task_struct.mm')).toBe(0n);
  });

  it('cuts comm to 15 bytes', () => {
    const host = createSimHost();
    const task = user(host);
    host.fs.write('/tmp/a-rather-long-program-name', '\x7fELF', 0o755);
    host.call(task, 'execve', ['/tmp/a-rather-long-program-name', ['x'], []]);
    expect(task.name).toBe('a-rather-long-p');
  });
});

describe('cred', () => {
  it('is a new one after setuid, with every id and capability', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = host.spawn({ exepath: '/usr/sbin/sshd', uid: 0 });
    const before = peek.path(peek.task(task), 'task_struct.cred');
    expect(peek.field(before, 'cred.cap_effective.val')).toBe(0x1ff_ffff_ffffn);
    expect(host.call(task, 'setresgid', [5, 6, 7]).result).toBe(0);
    expect(host.call(task, 'setresuid', [1, 2, 3]).result).toBe(0);
    const cred = peek.path(peek.task(task), 'task_struct.cred');
    const ids = ['uid', 'euid', 'suid', 'fsuid', 'gid', 'egid', 'sgid', 'fsgid'];
    expect(ids.map((id) => peek.field(cred, `cred.${id}.val`))).toEqual([1n, 2n, 3n, 2n, 5n, 6n, 7n, 6n]);
    expect(peek.field(cred, 'cred.cap_effective.val')).toBe(0n);
    expect(peek.path(peek.task(task), 'task_struct.real_cred')).toBe(cred);
  });
});

describe('files', () => {
  it('are at their descriptors, with a path across mounts up to the root', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    host.fs.write('/tmp/work/notes.txt', 'hello', 0o640, 1000, 100);
    const { result: fd } = host.call(task, 'open', ['/tmp/work/notes.txt', 2, 0]);
    const file = fileAt(peek, task, fd);
    expect(walk(host, peek, pathOf(peek, file))).toEqual(['notes.txt', 'work', 'tmp']);
    const inode = peek.field(file, 'file.f_inode');
    expect(peek.field(inode, 'inode.i_mode')).toBe(0o100640n);
    expect(peek.field(inode, 'inode.i_uid.val')).toBe(1000n);
    expect(peek.field(inode, 'inode.i_gid.val')).toBe(100n);
    expect(peek.field(inode, 'inode.i_size')).toBe(5n);
    expect(peek.field(file, 'file.f_flags')).toBe(0o100002n);
    expect(peek.path(inode, 'inode.i_sb', 'super_block.s_magic')).toBe(0x0102_1994n);
    const { dev, ino } = host.kernel.fileId('/tmp/work/notes.txt') ?? {};
    expect(peek.path(inode, 'inode.i_sb', 'super_block.s_dev')).toBe(dev);
    expect(peek.field(inode, 'inode.i_ino')).toBe(ino);
    host.call(task, 'lseek', [fd, 3, 0]);
    expect(peek.field(file, 'file.f_pos')).toBe(3n);
    host.call(task, 'close', [fd]);
    expect(fileAt(peek, task, fd)).toBe(0n);
  });

  it('follow their file when it is renamed, whatever the length of its name', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    const { result: fd } = host.call(task, 'creat', ['/tmp/short', 0o600]);
    const long = 'n'.repeat(200);
    expect(host.call(task, 'rename', ['/tmp/short', `/tmp/${long}`]).result).toBe(0);
    expect(walk(host, peek, pathOf(peek, fileAt(peek, task, fd)))).toEqual([long, 'tmp']);
    const { dentry } = pathOf(peek, fileAt(peek, task, fd));
    expect(peek.field(dentry, 'dentry.d_name.len')).toBe(200n);
    expect(host.call(task, 'rename', [`/tmp/${long}`, '/home/alice/x']).result).toBe(-18);
    expect(host.call(task, 'rename', [`/tmp/${long}`, '/tmp/x']).result).toBe(0);
    expect(walk(host, peek, pathOf(peek, fileAt(peek, task, fd)))).toEqual(['x', 'tmp']);
  });

  it('stay readable after they are unlinked, as long as they are open', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    const { result: fd } = host.call(task, 'open', ['/tmp/gone', 0o102, 0o600]);
    host.call(task, 'write', [fd, 'still here', 10]);
    host.call(task, 'unlink', ['/tmp/gone']);
    for (let index = 0; index < 50; index++) host.call(task, 'mkdir', [`/tmp/filler${index}`, 0o700]);
    const file = fileAt(peek, task, fd);
    expect(walk(host, peek, pathOf(peek, file))).toEqual(['gone', 'tmp']);
    expect(peek.path(file, 'file.f_inode', 'inode.i_nlink')).toBe(0n);
    expect(host.call(task, 'pread64', [fd, 0, 5, 0]).data).toEqual(new TextEncoder().encode('still'));
  });

  it('are anonymous for memfd, pipes and sockets', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    const memfd = host.call(task, 'memfd_create', ['payload', 1]).result;
    const [read = -1, write = -1] = host.call(task, 'pipe2', [0, 0]).fds ?? [];
    const socket = host.call(task, 'socket', [2, 1, 0]).result;
    const parts = (fd: number) => {
      const file = fileAt(peek, task, fd);
      const { dentry, vfsmount } = pathOf(peek, file);
      const mount = vfsmount - BigInt(host.kernel.btf.access('mount.mnt')?.offset ?? 0);
      expect(peek.field(dentry, 'dentry.d_parent')).toBe(dentry);
      expect(peek.field(mount, 'mount.mnt_parent')).toBe(mount);
      return {
        name: peek.text(peek.field(dentry, 'dentry.d_name.name')),
        type: peek.path(file, 'file.f_inode', 'inode.i_mode') & 0o170000n,
        flags: peek.field(file, 'file.f_flags') & 3n,
      };
    };
    expect(parts(memfd)).toEqual({ name: 'memfd:payload', type: 0o100000n, flags: 2n });
    expect(parts(read)).toEqual({ name: '', type: 0o010000n, flags: 0n });
    expect(parts(write)).toEqual({ name: '', type: 0o010000n, flags: 1n });
    expect(parts(socket)).toEqual({ name: '', type: 0o140000n, flags: 2n });
  });

  it('grow their table beyond 64 descriptors and end at 1,024', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    let last = 0;
    for (let count = 0; count < 1100 && last >= 0; count++) last = host.call(task, 'dup', [0]).result;
    expect(last).toBe(-24);
    const table = peek.path(peek.task(task), 'task_struct.files', 'files_struct.fdt');
    expect(peek.field(table, 'fdtable.max_fds')).toBe(1024n);
    expect(fileAt(peek, task, 1023)).toBe(fileAt(peek, task, 0));
  });
});

describe('mm_struct', () => {
  it('has the strings of exec one after the other, and the executable', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = user(host);
    const mm = () => peek.path(peek.task(task), 'task_struct.mm');
    const before = mm();
    host.call(task, 'execve', ['/bin/cat', ['cat', 'a b', ''], ['X=1', 'LONG=two']]);
    const at = mm();
    expect(at).not.toBe(before);
    const [argStart, argEnd, envStart, envEnd] = ['arg_start', 'arg_end', 'env_start', 'env_end'].map((member) =>
      peek.field(at, `mm_struct.${member}`),
    );
    expect((argEnd ?? 0n) - (argStart ?? 0n)).toBe(BigInt('cat\0a b\0\0'.length));
    expect(envStart).toBe(argEnd);
    expect((envEnd ?? 0n) - (envStart ?? 0n)).toBe(BigInt('X=1\0LONG=two\0'.length));
    expect(envEnd).toBeLessThan(0x7fff_ffff_f000n);
    expect(walk(host, peek, pathOf(peek, peek.field(at, 'mm_struct.exe_file')))).toEqual(['cat', 'bin', 'usr']);
  });
});

describe('fs_struct', () => {
  it('has the working directory and the root', () => {
    const host = createSimHost();
    const peek = createPeek(host);
    const task = host.spawn({ exepath: '/usr/bin/bash', cwd: '/var/log' });
    const at = peek.path(peek.task(task), 'task_struct.fs');
    const path = (member: string) => ({
      dentry: peek.field(at, `fs_struct.${member}.dentry`),
      vfsmount: peek.field(at, `fs_struct.${member}.mnt`),
    });
    expect(walk(host, peek, path('pwd'))).toEqual(['log', 'var']);
    expect(walk(host, peek, path('root'))).toEqual([]);
    host.call(task, 'chroot', ['/var']);
    host.call(task, 'chdir', ['/']);
    expect(walk(host, peek, path('root'))).toEqual(['var']);
    expect(walk(host, peek, path('pwd'))).toEqual(['var']);
  });
});

describe('socket', () => {
  it('is behind its file, with both ends once it is connected', () => {
    const host = createSimHost();
    host.network.declareRemote('203.0.113.5', 4444);
    const peek = createPeek(host);
    const task = user(host);
    const { result: fd } = host.call(task, 'socket', [2, 1, 0]);
    const socket = peek.field(fileAt(peek, task, fd), 'file.private_data');
    const common = (member: string) => peek.path(socket, 'socket.sk', `sock.__sk_common.${member}`);
    expect(peek.field(socket, 'socket.type')).toBe(1n);
    expect(peek.path(socket, 'socket.sk', 'sock.sk_protocol')).toBe(6n);
    expect(common('skc_family')).toBe(2n);
    expect(common('skc_state')).toBe(7n);
    expect(host.call(task, 'connect', [fd, { address: '203.0.113.5', port: 4444 }]).result).toBe(0);
    expect(common('skc_state')).toBe(1n);
    expect(common('skc_daddr')).toBe(0x05_71_00_cbn);
    expect(common('skc_dport')).toBe(0x5c11n);
    expect(common('skc_rcv_saddr')).toBe(0x0f_02_00_0an);
    expect(common('skc_num')).toBeGreaterThanOrEqual(32_768n);
  });

  it('has IPv6 addresses as 16 bytes', () => {
    const host = createSimHost();
    host.network.declareRemote('2001:db8::5', 443);
    const peek = createPeek(host);
    const task = user(host);
    const { result: fd } = host.call(task, 'socket', [10, 1, 0]);
    host.call(task, 'connect', [fd, { address: '2001:db8::5', port: 443 }]);
    const sock = peek.path(fileAt(peek, task, fd), 'file.private_data', 'socket.sk');
    expect(peek.field(sock, 'sock.__sk_common.skc_v6_daddr.s6_addr[0]')).toBe(0x20n);
    expect(peek.field(sock, 'sock.__sk_common.skc_v6_daddr.s6_addr[3]')).toBe(0xb8n);
    expect(peek.field(sock, 'sock.__sk_common.skc_v6_daddr.s6_addr[15]')).toBe(0x05n);
    expect(peek.field(sock, 'sock.__sk_common.skc_dport')).toBe(0xbb01n);
  });
});
