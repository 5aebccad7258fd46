"""Records what Linux answers to random sequences of calls, for linux-calls.test.ts.

Run as root on x86-64, outside of the tests:  python3 record-linux-calls.py [seed [sequences [steps]]] > linux-calls.jsonl
Everything happens in a temporary folder that two processes (uid 0 and uid 1000) are confined to with chroot.
"""
import ctypes
import json
import os
import random
import resource
import shutil
import struct
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
BUFFER = '$buffer'

NUMBERS = dict(
    read=0, write=1, open=2, close=3, stat=4, lstat=6, lseek=8, pread64=17, pwrite64=18, access=21, dup=32, dup2=33, fcntl=72,
    truncate=76, ftruncate=77, getcwd=79, chdir=80, fchdir=81, rename=82, mkdir=83, rmdir=84, creat=85, link=86, unlink=87,
    symlink=88, readlink=89, chmod=90, fchmod=91, chown=92, fchown=93, lchown=94, umask=95, getuid=102, getgid=104, setuid=105,
    setgid=106, geteuid=107, getegid=108, setreuid=113, setregid=114, setresuid=117, setresgid=119, setfsuid=122, setfsgid=123,
    openat=257, mkdirat=258, newfstatat=262, unlinkat=263, linkat=265, dup3=292, renameat2=316, close_range=436, faccessat2=439,
)

FOLDERS = [['/tmp', 0o1777, 0], ['/etc', 0o755, 0], ['/home', 0o755, 0], ['/home/u', 0o755, 1000], ['/priv', 0o700, 0],
           ['/tmp/d', 0o755, 1000], ['/tmp/g', 0o2775, 0]]
FILES = [['/etc/passwd', 0o644, 0, 'root'], ['/etc/shadow', 0o640, 0, 'secret'], ['/home/u/a', 0o600, 1000, 'aaa'],
         ['/priv/x', 0o644, 0, 'x'], ['/tmp/f', 0o666, 0, 'ffff'], ['/tmp/d/s', 0o4755, 1000, 'suid'], ['/tmp/r', 0o644, 0, 'r']]
PATHS = ['/tmp', '/etc', '/home/u', '/priv', '/tmp/d', '/etc/passwd', '/etc/shadow', '/home/u/a', '/priv/x', '/tmp/f',
         '/tmp/d/s', '/tmp/new', '/tmp/new2', '/home/u/new', '/tmp/d/sub', '/tmp/d/sub/deep', '/tmp/link', '/home/u/l2', 'rel',
         'rel/x', '../tmp/f', '.', '..', '/', '', '/tmp/f/', '/tmp/d/', '/tmp/new/', '/tmp/f/x', '/nothing/x', '/tmp/g',
         '/tmp/g/x', '/tmp/../etc/passwd', '/tmp/' + 'n' * 256, '/tmp/link/x', '/tmp/r', 'a/../b', '/tmp/d/..', '/tmp/d/.',
         '//tmp//f', '/tmp/link/']
FLAGS = [0, 1, 2, 0o100, 0o101, 0o102, 0o301, 0o1001, 0o1101, 0o2001, 0o2102, 0o200000, 0o400000, 0o10000000, 0o200100,
         0o20200002, 0o2000000, 0o500, 0o20200000, 0o410000, 0o10200000, 0o10400000]
MODES = [0o644, 0o600, 0o755, 0o777, 0o700, 0o4755, 0o2755, 0o1777, 0o000, 0o400, 0o6777]
IDS = [0, 1000, 5, -1]


def generator(rng):
    pick = rng.choice
    path, mode = (lambda: pick(PATHS)), (lambda: pick(MODES))
    fd = lambda: pick([3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 99, -1])
    at = lambda: pick([-100, -100, -100, 3, 4, 5, 99])
    flags = lambda: pick(FLAGS) | 0o4000
    owner = lambda: pick([0, 1000, -1])
    ident = lambda: pick(IDS)
    calls = dict(
        open=lambda: [path(), flags(), mode()], openat=lambda: [at(), path(), flags(), mode()],
        creat=lambda: [path(), mode()], close=lambda: [fd()], read=lambda: [fd(), BUFFER, pick([0, 1, 10, 100])],
        write=lambda: [fd(), 'hello', pick([0, 1, 5])], pread64=lambda: [fd(), BUFFER, 10, pick([0, 2, 100, -1])],
        pwrite64=lambda: [fd(), 'pw', 2, pick([0, 3, -1])], lseek=lambda: [fd(), pick([0, 5, -3]), pick([0, 1, 9])],
        stat=lambda: [path(), BUFFER], lstat=lambda: [path(), BUFFER],
        newfstatat=lambda: [at(), path(), BUFFER, pick([0, 0x100, 0x1000, 1])],
        access=lambda: [path(), pick([0, 1, 2, 4, 7, 8])],
        faccessat2=lambda: [at(), path(), pick([0, 1, 2, 4, 6]), pick([0, 0x200, 0x100, 2])],
        dup=lambda: [fd()], dup2=lambda: [fd(), pick([3, 5, 8, 9, -1, 5000])],
        dup3=lambda: [fd(), pick([4, 8, -1]), pick([0, 0o2000000, 1])],
        fcntl=lambda: [fd(), pick([0, 1, 2, 3, 4, 1030]), pick([0, 5, 0o4000])],
        truncate=lambda: [path(), pick([0, 2, 20, -1])], ftruncate=lambda: [fd(), pick([0, 3, -1])],
        chdir=lambda: [path()], fchdir=lambda: [fd()], rename=lambda: [path(), path()],
        renameat2=lambda: [at(), path(), at(), path(), pick([0, 1, 2, 3, 8])], mkdir=lambda: [path(), mode()],
        mkdirat=lambda: [at(), path(), mode()], rmdir=lambda: [path()], link=lambda: [path(), path()],
        linkat=lambda: [at(), path(), at(), path(), pick([0, 0x400, 1])], unlink=lambda: [path()],
        unlinkat=lambda: [at(), path(), pick([0, 0x200, 1])], symlink=lambda: [path(), path()],
        readlink=lambda: [path(), BUFFER, pick([100, 2, 0])], chmod=lambda: [path(), mode()],
        fchmod=lambda: [fd(), mode()], chown=lambda: [path(), owner(), owner()], lchown=lambda: [path(), owner(), owner()],
        fchown=lambda: [fd(), owner(), -1], umask=lambda: [pick([0o022, 0, 0o077])],
        getcwd=lambda: [BUFFER, pick([4096, 3])], setuid=lambda: [ident()], setreuid=lambda: [ident(), ident()],
        setresuid=lambda: [ident(), ident(), ident()], setgid=lambda: [ident()], setregid=lambda: [ident(), ident()],
        setresgid=lambda: [ident(), ident(), ident()], setfsuid=lambda: [ident()], setfsgid=lambda: [ident()],
        getuid=lambda: [], geteuid=lambda: [], getgid=lambda: [], getegid=lambda: [],
        close_range=lambda: [pick([5, 9]), pick([7, 20, 3]), pick([0, 4])],
    )
    rare = {name for name in calls if name.startswith('set')}

    def step():
        name = pick(sorted(calls))
        if name in rare and rng.random() < 0.75:
            name = pick(['open', 'openat', 'creat', 'mkdir'])
        return [pick([0, 1000, 1000]), name, calls[name]()]

    return step


def make_call(name, args):
    kept, real, out = [], [], None
    for arg in args:
        if arg == BUFFER:
            out = ctypes.create_string_buffer(4096)
            real.append(ctypes.cast(out, ctypes.c_void_p))
        elif isinstance(arg, str):
            kept.append(ctypes.create_string_buffer(arg.encode()))
            real.append(ctypes.cast(kept[-1], ctypes.c_void_p))
        else:
            real.append(ctypes.c_long(arg))
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *real)
    if result == -1:
        return [-ctypes.get_errno(), None]
    data = None
    if name in ('read', 'pread64', 'readlink'):
        data = out.raw[:result].decode('latin1')
    if name == 'getcwd':
        data = out.raw[:result - 1].decode('latin1')
    if name in ('stat', 'lstat', 'newfstatat'):
        nlink, mode, uid, gid = struct.unpack_from('<QIII', out.raw, 16)
        size = struct.unpack_from('<q', out.raw, 48)[0]
        data = [nlink, mode, uid, gid] + ([] if mode & 0o170000 == 0o040000 else [size])
    return [result, data]


def actor(uid, root, requests, replies):
    os.chroot(root)
    os.chdir('/')
    os.umask(0o022)
    os.dup2(requests, 900)
    os.dup2(replies, 901)
    null = os.open('/dev/null', os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.closerange(3, 900)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    lines = os.fdopen(900, 'r', closefd=False)
    while line := lines.readline():
        name, args = json.loads(line)
        os.write(901, (json.dumps(make_call(name, args)) + '\n').encode())
    os._exit(0)


def play(steps):
    root = tempfile.mkdtemp()
    os.chmod(root, 0o755)
    for path, mode, uid in FOLDERS:
        os.mkdir(root + path)
        os.chown(root + path, uid, uid)
        os.chmod(root + path, mode)
    for path, mode, uid, text in FILES:
        with open(root + path, 'w') as file:
            file.write(text)
        os.chown(root + path, uid, uid)
        os.chmod(root + path, mode)
    os.mkdir(root + '/dev')
    os.mknod(root + '/dev/null', 0o020666, os.makedev(1, 3))
    actors, pids = {}, []
    for uid in (0, 1000):
        (requests, send), (receive, replies) = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            actor(uid, root, requests, replies)
        os.close(requests)
        os.close(replies)
        actors[uid] = (send, os.fdopen(receive, 'r'))
        pids.append(pid)
    played = []
    for uid, name, args in steps:
        send, receive = actors[uid]
        os.write(send, (json.dumps([name, args]) + '\n').encode())
        played.append([uid, name, args, *json.loads(receive.readline())])
    for send, receive in actors.values():
        os.close(send)
        receive.close()
    for pid in pids:
        os.waitpid(pid, 0)
    shutil.rmtree(root)
    return played


def main():
    seed, sequences, length = [int(arg) for arg in sys.argv[1:]] + [1, 40, 90][len(sys.argv) - 1:]
    step = generator(random.Random(seed))
    uname = os.uname()
    system = f'{uname.sysname} {uname.release.split("-")[0]}'
    print(json.dumps({'system': system, 'folders': FOLDERS, 'files': FILES}))
    for _ in range(sequences):
        print(json.dumps(play([step() for _ in range(length)]), separators=(',', ':')))


main()
