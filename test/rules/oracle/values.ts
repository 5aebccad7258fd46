import { CGROUPS, LONG, LONGEST, TOO_LONG } from './world/index.ts';

/** Programs that are run, by path. */
export const PROGRAMS = [
  '/usr/bin/cat',
  '/bin/bash',
  '/w/daemon-with-a-long-name',
  '/usr/bin/python',
  '/usr/bin/su',
  '/w/none',
  'tool',
  './sub/tool2',
  '/w/a.txt',
  '/w/Bash',
  '/w/catt',
  '/w/ca',
] as const;

const PATHS = [
  '/w/a.txt',
  '/w/b.log',
  '/w/sub/c.txt',
  '/w/sub/deep/d.conf',
  '/w/missing.txt',
  '/w/nothing/here',
  '/w/gone',
  '/tmp/t.txt',
  '/etc/shadow',
  '/w',
  '/w/sub',
  '/',
  '/w/n/one',
  '/w/n/two',
  '/w/n/three',
  '/w/n/none/x',
  '/dev/null',
  '/w/ÄÖ.txt',
  LONG,
  LONGEST,
  TOO_LONG,
] as const;

const NAMES = [
  'cat',
  'bash',
  'daemon-with-a-l',
  'nginx',
  'python',
  'su',
  'systemd',
  'tool',
  'tool2',
  'Bash',
  'catt',
  'ca',
];
const EXECUTABLES = [
  '/usr/bin/cat',
  '/usr/bin/bash',
  '/w/daemon-with-a-long-name',
  '/usr/bin/python3',
  '/usr/bin/su',
  '/w/tool',
  '/w/sub/tool2',
  '/usr/sbin/nginx',
  '/usr/lib/systemd/systemd',
  '/w/catt',
];
const LINES = [
  'cat /etc/shadow',
  'bash -c id; echo evil',
  '/etc/shadow',
  '-c id; echo evil',
  '--login two words x',
  'x ',
  '',
  ' ',
  'nginx -g daemon off',
  '-g daemon off',
  `e`.repeat(505),
  'systemd',
];
const CONTAINERS = Object.values(CGROUPS).flatMap((cgroup) => /([0-9a-f]{64})/.exec(cgroup)?.[1] ?? []);

/** How a field's values are compared; `name`: one of a few names, others being errors. */
export type Kind = 'text' | 'path' | 'name' | 'domain' | 'number' | 'boolean' | 'address' | 'network' | 'list';

/** A field that conditions are made about, with values that events have. */
export interface FieldEntry {
  readonly field: string;
  readonly kind: Kind;
  readonly values: readonly string[];
  /** How often it is chosen; default 1. */
  readonly weight?: number;
}

const each = (fields: readonly string[], kind: Kind, values: readonly string[], weight = 1): readonly FieldEntry[] =>
  fields.map((field) => ({ field, kind, values, weight }));

const ADDRESSES = ['203.0.113.5', '198.51.100.7', '2001:db8:1::5', '10.1.2.3', '127.0.0.1', '10.0.2.15', 'fd00::15'];
const NETWORKS = [
  '203.0.113.0/24',
  '198.51.100.6/31',
  '2001:db8:1::/48',
  '10.0.0.0/8',
  '127.0.0.0/8',
  '0.0.0.0/0',
  '::/0',
  '10.0.2.15/32',
];

/** The fields that the world tells of, as the catalogue names them. */
export const FIELD_TABLE: readonly FieldEntry[] = [
  ...each(['fd.name'], 'path', PATHS, 6),
  ...each(
    [
      'fs.path.name',
      'fs.path.source',
      'fs.path.target',
      'evt.arg[name]',
      'evt.arg[path]',
      'evt.arg[oldpath]',
      'evt.arg[newpath]',
      'evt.arg[filename]',
    ],
    'path',
    PATHS,
    2,
  ),
  ...each(['fd.directory'], 'path', ['/w', '/w/sub', '/w/sub/deep', '/', '/tmp', '/etc', '/usr/bin'], 2),
  ...each(['fd.filename'], 'text', ['a.txt', 'b.log', 'c.txt', 'd.conf', 'shadow', 'missing.txt', 'w', ''], 2),
  ...each(
    ['fd.nameraw'],
    'text',
    ['a.txt', 'sub/../b.log', './sub//c.txt', '../w/sub/deep/d.conf', 'dirlink/../a.txt', ''],
    2,
  ),
  ...each(['fd.typechar'], 'name', ['f', 'd', '4', '6', 'u', 'c', 'o']),
  ...each(['fd.type'], 'name', ['file', 'directory', 'ipv4', 'ipv6', 'unix', 'char', 'other']),
  ...each(['fd.num'], 'number', ['-1', '3', '4', '50', '60', '97'], 2),
  ...each(['fd.ip', 'fd.sip', 'fd.rip', 'fd.cip', 'fd.lip'], 'address', ADDRESSES),
  ...each(['fd.net', 'fd.snet', 'fd.rnet', 'fd.cnet', 'fd.lnet'], 'network', NETWORKS),
  ...each(['fd.port', 'fd.sport', 'fd.rport', 'fd.lport', 'fd.cport'], 'number', [
    '443',
    '4444',
    '81',
    '53',
    '8080',
    '20000',
    '20005',
  ]),
  ...each(['fd.l4proto'], 'text', ['tcp', 'udp']),
  ...each(['fd.sockfamily'], 'text', ['ip', 'unix']),
  ...each(['proc.name'], 'text', NAMES, 5),
  ...each(['proc.pname', 'proc.aname'], 'text', NAMES, 2),
  ...each(['proc.aname[1]', 'proc.aname[2]', 'proc.aname[3]'], 'text', NAMES),
  ...each(['proc.exepath'], 'path', EXECUTABLES, 2),
  ...each(['proc.pexepath', 'proc.aexepath[2]', 'proc.aexepath'], 'path', EXECUTABLES),
  ...each(['proc.cmdline', 'proc.args'], 'text', LINES, 3),
  ...each(['proc.pcmdline', 'proc.acmdline[2]'], 'text', LINES),
  ...each(['proc.exe'], 'text', ['cat', 'bash', '', 'x', 'sh', '-bash', 'CAT', 'long', 'edge', 'nginx'], 2),
  ...each(['proc.pexe', 'proc.aexe[2]', 'proc.aexe'], 'text', [
    'cat',
    'bash',
    '',
    'x',
    'sh',
    '-bash',
    'nginx',
    '/sbin/init',
  ]),
  ...each(['proc.cwd'], 'path', ['/w/', '/w/sub/', '/tmp/', '/']),
  ...each(['proc.is_exe_from_memfd'], 'boolean', ['true', 'false']),
  ...each(['proc.pid', 'proc.ppid'], 'number', ['1', '2', '100', '4']),
  ...each(['user.uid', 'group.gid'], 'number', ['0', '33', '1000', '4294967295', '-1'], 2),
  ...each(['user.name'], 'text', ['root', 'www-data', 'alice', 'nobody'], 2),
  ...each(
    ['evt.rawres'],
    'number',
    ['0', '-2', '-13', '-9', '3', '-9223372036854775808', '9223372036854775807', '100'],
    2,
  ),
  ...each(
    ['evt.res'],
    'text',
    ['SUCCESS', 'ENOENT', 'EACCES', 'EFAULT', 'EPERM', 'EBADF', 'ECONNREFUSED', 'EINPROGRESS'],
    2,
  ),
  ...each(['evt.failed', 'evt.is_open_read', 'evt.is_open_write', 'evt.is_open_create', 'evt.io_uring'], 'boolean', [
    'true',
    'false',
  ]),
  ...each(['evt.arg[flags]'], 'text', [
    'O_RDONLY',
    'O_RDWR',
    'O_WRONLY|O_CREAT',
    'O_WRONLY|O_TRUNC',
    'O_RDWR|O_APPEND',
    '0',
  ]),
  ...each(['evt.arg[mode]'], 'text', ['S_ISUID', 'S_IRUSR|S_IWUSR|S_IXUSR', '0', 'S_ISVTX']),
  ...each(['evt.arg[fd]', 'evt.arg[oldfd]', 'evt.arg[newfd]', 'evt.arg[dirfd]'], 'text', [
    '3',
    '4',
    '-1',
    '97',
    '-100',
    '98',
    '60',
  ]),
  ...each(['evt.arg[sig]'], 'text', ['SIGKILL', 'SIGTERM', '0', '34', 'SIGCHLD']),
  ...each(
    ['evt.type'],
    'name',
    [
      'open',
      'openat',
      'openat2',
      'creat',
      'execve',
      'connect',
      'rename',
      'unlink',
      'procexit',
      'close',
      'dup2',
      'clone',
    ],
    3,
  ),
  ...each(['evt.arg[target]'], 'text', ['nowhere', '/etc/shadow']),
  ...each(['evt.arg[domain]'], 'text', ['AF_INET', 'AF_INET6', 'AF_NETLINK', 'AF_UNIX', 'AF_PACKET']),
  ...each(['evt.arg[request]'], 'text', ['PTRACE_ATTACH', 'PTRACE_TRACEME']),
  ...each(['syscall.type'], 'name', ['open', 'openat', 'execve', 'connect', 'close', 'dup2']),
  ...each(['proc.tty'], 'number', ['0', '34819', '34816']),
  ...each(['proc.vpid'], 'number', ['1', '301', '302', '303']),
  ...each(['proc.env'], 'text', ['LANG=C', 'HTTP_PROXY=x LANG=C', '']),
  ...each(['thread.cap_effective', 'thread.cap_permitted'], 'text', [
    'CAP_SYS_ADMIN',
    'CAP_BPF',
    'SYS_MODULE',
    'CAP_CHOWN CAP_DAC_OVERRIDE',
    '',
  ]),
  ...each(['fd.connected'], 'boolean', ['true', 'false']),
  ...each(['fd.sip.name', 'fd.rip.name'], 'domain', ['example.com', 'kubernetes.default.svc.cluster.local']),
  ...each(['group.name'], 'text', ['root', 'www-data', 'alice']),
  ...each(['fs.path.nameraw'], 'text', ['a.txt', '/w//n/two', '/w/n/../n/one', 'n/three']),
  ...each(['proc.aargs[1]', 'proc.aargs[2]'], 'text', ['-g daemon off', '', '--login two words x']),
  ...each(['container.id'], 'text', ['host', ...CONTAINERS.map((id) => id.slice(0, 12))], 4),
  ...each(['container.full_id'], 'text', ['host', ...CONTAINERS]),
  ...each(['container.name'], 'text', ['host', 'web', 'agent', 'sidecar', 'young'], 2),
  ...each(['container.type'], 'text', ['host', 'docker', 'containerd']),
  ...each(
    ['container.image.repository'],
    'text',
    ['docker.io/library/nginx', 'quay.io/sysdig/agent', 'registry.k8s.io/kube-proxy'],
    2,
  ),
  ...each(['container.image.tag'], 'text', ['1.2', 'latest']),
  ...each(['container.privileged'], 'boolean', ['true', 'false']),
  ...each(['k8s.ns.name'], 'text', ['kube-system', 'default']),
  ...each(['k8s.pod.name'], 'text', ['kube-proxy-x', 'kube']),
];
