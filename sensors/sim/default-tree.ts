import { encodeText } from './kernel/kernel-object.ts';
import type { SimFileSystem } from './sim-host.ts';

/** Programs in /usr/bin and /usr/sbin, which /bin and /sbin lead to. */
const PROGRAMS = `
  sh bash dash zsh ls cat cp mv rm ln mkdir rmdir chmod chown touch tee head tail grep sed awk find xargs sort wc cut tr echo env id
  whoami uname ps top kill sleep date dd df du tar gzip gunzip zip unzip base64 md5sum sha256sum strings file less more vi vim nano
  nc ncat curl wget ssh scp sftp rsync ftp telnet dig nslookup ping ip ss netstat nmap tcpdump socat python3 perl ruby node php gdb
  strace git make gcc cc ld as docker podman kubectl systemctl journalctl crontab at screen tmux openssl gpg lsof history
  mount umount shred truncate mkfifo mknod timeout nohup setsid script login dpkg apt-get rpm java mysql psql redis-cli
`;
const SYSTEM_PROGRAMS = `
  sshd nginx apache2 httpd cron rsyslogd useradd usermod groupadd userdel insmod rmmod modprobe iptables nft reboot shutdown
  chroot mysqld postgres redis-server dhclient unix_chkpwd auditd
`;
/** Set-user-id root, as a usual distribution has them. */
const SETUID_PROGRAMS = ['su', 'sudo', 'passwd', 'newgrp', 'chsh', 'chfn'];

/** The header of a 64-bit x86 program with one program header right behind it (Elf64_Ehdr). */
const ELF_HEADER = [
  '\x7fELF\x02\x01\x01'.padEnd(16, '\0'),
  '\x03\0\x3e\0\x01\0\0\0'.padEnd(16, '\0'),
  '\x40'.padEnd(20, '\0'),
  '\x40\0\x38\0\x01\0\x40'.padEnd(12, '\0'),
].join('');

/** An executable; the simulation runs no machine code, so the rest is only there to be copied. */
const elf = (name: string): Uint8Array => encodeText(`${ELF_HEADER}${name}\n`);

const SHADOW_GID = 42;
const ADM_GID = 4;
const UTMP_GID = 43;
const USER = 1000;
const WEB = 33;

/** [path, content, mode, uid, gid] */
type FileEntry = readonly [path: string, content: string | Uint8Array, mode?: number, uid?: number, gid?: number];

const FILES: readonly FileEntry[] = [
  [
    '/etc/passwd',
    'root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nalice:x:1000:1000::/home/alice:/bin/bash\n',
  ],
  ['/etc/shadow', 'root:*:19000:0:99999:7:::\nalice:$y$j9T$simulated:19000:0:99999:7:::\n', 0o640, 0, SHADOW_GID],
  ['/etc/group', 'root:x:0:\nadm:x:4:\nwww-data:x:33:\nshadow:x:42:\nutmp:x:43:\nsudo:x:27:alice\nalice:x:1000:\n'],
  ['/etc/gshadow', 'root:*::\nshadow:*::\n', 0o640, 0, SHADOW_GID],
  ['/etc/sudoers', 'root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n', 0o440],
  ['/etc/hosts', '127.0.0.1 localhost\n'],
  ['/etc/hostname', 'sim\n'],
  ['/etc/resolv.conf', 'nameserver 10.0.2.3\n'],
  ['/etc/nsswitch.conf', 'passwd: files\ngroup: files\n'],
  ['/etc/ld.so.cache', 'ld.so-1.7.0'],
  ['/etc/ld.so.preload', ''],
  ['/etc/crontab', 'SHELL=/bin/sh\n'],
  ['/etc/profile', 'PATH=/usr/bin\n'],
  ['/etc/bash.bashrc', ''],
  ['/etc/ssh/sshd_config', 'PermitRootLogin no\n'],
  ['/etc/ssh/ssh_host_rsa_key', 'simulated key\n', 0o600],
  ['/etc/pam.d/sshd', ''],
  ['/etc/pam.d/common-auth', ''],
  ['/etc/nginx/nginx.conf', 'user www-data;\n'],
  ['/etc/systemd/system/multi-user.target', ''],
  ['/usr/lib/x86_64-linux-gnu/libc.so.6', elf('libc'), 0o755],
  ['/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2', elf('ld-linux'), 0o755],
  ['/usr/lib/systemd/systemd', elf('systemd'), 0o755],
  ['/usr/lib/systemd/systemd-journald', elf('systemd-journald'), 0o755],
  ['/var/log/auth.log', 'sshd: Server listening\n', 0o640, 0, ADM_GID],
  ['/var/log/syslog', 'kernel: Linux version\n', 0o640, 0, ADM_GID],
  ['/var/log/messages', 'kernel: Linux version\n', 0o640, 0, ADM_GID],
  ['/var/log/kern.log', '', 0o640, 0, ADM_GID],
  ['/var/log/wtmp', '', 0o664, 0, UTMP_GID],
  ['/var/log/btmp', '', 0o660, 0, UTMP_GID],
  ['/var/log/lastlog', '', 0o664, 0, UTMP_GID],
  ['/var/log/nginx/access.log', '', 0o640, WEB, ADM_GID],
  ['/var/log/nginx/error.log', '', 0o640, WEB, ADM_GID],
  ['/var/log/audit/audit.log', '', 0o600],
  ['/var/run/utmp', '', 0o664, 0, UTMP_GID],
  ['/var/www/html/index.html', '<h1>It works</h1>\n'],
  ['/var/spool/cron/crontabs/root', '', 0o600],
  ['/root/.bashrc', '', 0o644],
  ['/root/.bash_history', '', 0o600],
  ['/root/.ssh/authorized_keys', '', 0o600],
  ['/root/.ssh/id_rsa', 'simulated key\n', 0o600],
  ['/home/alice/.bashrc', '', 0o644, USER, USER],
  ['/home/alice/.bash_history', '', 0o600, USER, USER],
  ['/home/alice/.ssh/id_rsa', 'simulated key\n', 0o600, USER, USER],
  ['/home/alice/.ssh/authorized_keys', '', 0o600, USER, USER],
  ['/home/alice/.aws/credentials', '[default]\n', 0o600, USER, USER],
];

/** [path, mode, uid, gid] */
const DIRECTORIES: readonly (readonly [path: string, mode: number, uid?: number, gid?: number])[] = [
  ['/boot', 0o755],
  ['/mnt', 0o755],
  ['/media', 0o755],
  ['/opt', 0o755],
  ['/srv', 0o755],
  ['/sys', 0o555],
  ['/usr/local/bin', 0o755],
  ['/usr/share', 0o755],
  ['/var/lib', 0o755],
  ['/var/tmp', 0o1777],
  ['/etc/cron.d', 0o755],
  ['/etc/init.d', 0o755],
  ['/root', 0o700],
  ['/root/.ssh', 0o700],
  ['/home/alice', 0o755, USER, USER],
  ['/home/alice/.ssh', 0o700, USER, USER],
  ['/home/alice/.aws', 0o700, USER, USER],
  ['/var/www/html', 0o755, WEB, WEB],
];

const LINKS: readonly (readonly [path: string, target: string])[] = [
  ['/bin', 'usr/bin'],
  ['/sbin', 'usr/sbin'],
  ['/lib', 'usr/lib'],
  ['/lib64', 'usr/lib/x86_64-linux-gnu'],
  ['/usr/bin/python', 'python3'],
  ['/usr/bin/systemd', '../lib/systemd/systemd'],
  ['/usr/sbin/init', '../lib/systemd/systemd'],
];

const words = (text: string): string[] => text.trim().split(/\s+/);

/** What all hosts have in common, once for all of them. */
const EXECUTABLES: readonly FileEntry[] = [
  ...words(PROGRAMS).map((name) => [`/usr/bin/${name}`, elf(name), 0o755] as const),
  ...words(SYSTEM_PROGRAMS).map((name) => [`/usr/sbin/${name}`, elf(name), 0o755] as const),
  ...SETUID_PROGRAMS.map((name) => [`/usr/bin/${name}`, elf(name), 0o4755] as const),
];

/** Fills an empty root file system with what a small server has. */
export const plantDefaultTree = (files: SimFileSystem): void => {
  for (const directory of ['/usr/bin', '/usr/sbin', '/usr/lib']) files.mkdir(directory);
  for (const [path, target] of LINKS) files.symlink(target, path);
  for (const [path, mode, uid, gid] of DIRECTORIES) files.mkdir(path, mode, uid, gid);
  for (const [path, content, mode, uid, gid] of FILES) files.write(path, content, mode, uid, gid);
  for (const [path, content, mode] of EXECUTABLES) files.write(path, content, mode);
};

/** What /proc has beside processes. */
const PROC_FILES: readonly FileEntry[] = [
  ['/proc/version', 'Linux version 6.12.0 (simulated)\n', 0o444],
  ['/proc/cpuinfo', 'processor\t: 0\n', 0o444],
  ['/proc/meminfo', 'MemTotal: 1048576 kB\n', 0o444],
  ['/proc/kallsyms', '', 0o444],
  ['/proc/filesystems', 'nodev\ttmpfs\n', 0o444],
  ['/proc/stat', 'cpu 0 0 0 0\n', 0o444],
  ['/proc/sysrq-trigger', '', 0o200],
  ['/proc/sys/kernel/core_pattern', 'core\n'],
  ['/proc/sys/kernel/modprobe', '/sbin/modprobe\n'],
  ['/proc/sys/kernel/randomize_va_space', '2\n'],
  ['/proc/sys/kernel/yama/ptrace_scope', '0\n'],
  ['/proc/sys/net/ipv4/ip_forward', '0\n'],
  ['/proc/sys/vm/overcommit_memory', '0\n'],
];

/** Fills a mounted /proc. */
export const plantProcFiles = (files: SimFileSystem): void => {
  for (const [path, content, mode] of PROC_FILES) files.write(path, content, mode);
};
