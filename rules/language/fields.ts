/** How often a field's value can change, slowest first. */
export type Rate = 'host' | 'container' | 'process' | 'fd' | 'event';

/** `list` fields hold several values; a comparison is about any of them where Falco says so. */
export type FieldType = 'string' | 'number' | 'boolean' | 'address' | 'list';

/** What an argument in brackets may be; `key`: any text. */
export type FieldArgument = 'none' | 'optional-index' | 'index' | 'name' | 'key';

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly rate: Rate;
  /** Where its predicates are evaluated: in the kernel (falling back to user space where the kernel can't tell), or only after it. */
  readonly place: 'kernel' | 'user';
  readonly argument: FieldArgument;
  /** The call's result and what follows from it: doesn't exist at a hook before the effect. */
  readonly result: boolean;
  /** One sentence for people. */
  readonly meaning: string;
  /** Event types it exists on; `all`, or a predicate named in the same table. */
  readonly on: FieldPresence;
}

/** `fd`: events with a file descriptor; `path`: with a path argument; `open`: the open family; `two paths`: source and target; `socket`: with an address. */
export type FieldPresence = 'all' | 'fd' | 'open' | 'path' | 'two paths' | 'socket' | 'exec' | 'syscall';

const field = <const Name extends string>(
  name: Name,
  type: FieldType,
  rate: Rate,
  place: Field['place'],
  on: FieldPresence,
  meaning: string,
  options: { readonly argument?: FieldArgument; readonly result?: boolean } = {},
): Field & { readonly name: Name } =>
  Object.freeze({
    name,
    type,
    rate,
    place,
    on,
    meaning,
    argument: options.argument ?? 'none',
    result: options.result ?? false,
  });

const ANCESTOR = { argument: 'optional-index' } as const;
const RESULT = { result: true } as const;
const KEY = { argument: 'key' } as const;

/** The field catalogue: Falco's names with Falco's meanings (https://falco.org/docs/reference/rules/supported-fields/). */
// biome-ignore format: one field a line reads as a table
export const FIELDS = [
  field('evt.type', 'string', 'event', 'kernel', 'all', "The event's type: the name of the system call."),
  field('evt.dir', 'string', 'event', 'kernel', 'all', 'The direction; always <, the exit of the call.'),
  field('evt.num', 'number', 'event', 'user', 'all', "The event's number since the agent started, from 1."),
  field('evt.time', 'string', 'event', 'user', 'all', 'When the event happened: hours, minutes, seconds and nanoseconds, UTC.'),
  field('evt.rawres', 'number', 'event', 'kernel', 'syscall', "The call's result; negative is -errno.", RESULT),
  field('evt.res', 'string', 'event', 'kernel', 'syscall', 'SUCCESS, or the name of the errno: ENOENT.', RESULT),
  field('evt.failed', 'boolean', 'event', 'kernel', 'syscall', 'Whether the call failed.', RESULT),
  field('evt.is_open_read', 'boolean', 'event', 'kernel', 'open', 'Whether the file was opened for reading.'),
  field('evt.is_open_write', 'boolean', 'event', 'kernel', 'open', 'Whether the file was opened for writing.'),
  field('evt.is_open_create', 'boolean', 'event', 'kernel', 'open', 'Whether the open asked for the file to be created (O_CREAT).'),
  field('evt.io_uring', 'boolean', 'event', 'kernel', 'all', 'Whether the call is a request of io_uring, seen when it is submitted: its result is unknown then.'),
  field('evt.arg', 'string', 'event', 'kernel', 'syscall', 'An argument of the call by name, as text: numbers in decimal, flags and requests by name.', { argument: 'name' }),
  field('fd.num', 'number', 'event', 'kernel', 'fd', 'The file descriptor; the result where the call makes one, -1 where it failed.'),
  field('fd.name', 'string', 'fd', 'kernel', 'fd', "The file's path, or a socket's `client:port->server:port`."),
  field('fd.directory', 'string', 'fd', 'kernel', 'fd', "The path without its last component."),
  field('fd.filename', 'string', 'fd', 'kernel', 'fd', "The path's last component."),
  field('fd.type', 'string', 'fd', 'kernel', 'fd', 'file, directory, ipv4, ipv6, unix, pipe, char, block, memfd or other.'),
  field('fd.typechar', 'string', 'fd', 'kernel', 'fd', 'The type as a character: f file, d directory, 4, 6, u Unix socket, p pipe, c char, b block, m memfd, o other.'),
  field('fd.dev', 'number', 'fd', 'kernel', 'fd', "The device number of the file's file system."),
  field('fd.ino', 'number', 'fd', 'kernel', 'fd', "The file's inode number."),
  field('fd.l4proto', 'string', 'fd', 'user', 'socket', 'tcp or udp.'),
  field('fd.sockfamily', 'string', 'fd', 'user', 'socket', 'ip or unix.'),
  field('fd.connected', 'boolean', 'fd', 'user', 'socket', 'Whether the socket is connected to its remote address.'),
  field('fd.name_changed', 'boolean', 'fd', 'user', 'socket', "Whether this call gave the socket another remote address."),
  field('fd.ip', 'address', 'fd', 'kernel', 'socket', "Either end's address."),
  field('fd.cip', 'address', 'fd', 'kernel', 'socket', "The client's address."),
  field('fd.sip', 'address', 'fd', 'kernel', 'socket', "The server's address."),
  field('fd.lip', 'address', 'fd', 'kernel', 'socket', 'The local address.'),
  field('fd.rip', 'address', 'fd', 'kernel', 'socket', 'The remote address.'),
  field('fd.net', 'address', 'fd', 'kernel', 'socket', "Either end's address, compared with networks."),
  field('fd.cnet', 'address', 'fd', 'kernel', 'socket', "The client's address, compared with networks."),
  field('fd.snet', 'address', 'fd', 'kernel', 'socket', "The server's address, compared with networks."),
  field('fd.lnet', 'address', 'fd', 'user', 'socket', 'The local address, compared with networks.'),
  field('fd.rnet', 'address', 'fd', 'user', 'socket', 'The remote address, compared with networks.'),
  field('fd.cip.name', 'string', 'fd', 'user', 'socket', "The domain name of the client's address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.sip.name', 'string', 'fd', 'user', 'socket', "The domain name of the server's address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.lip.name', 'string', 'fd', 'user', 'socket', "The domain name of the local address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.rip.name', 'string', 'fd', 'user', 'socket', "The domain name of the remote address, of those that rules compare it with; `<NA>` where it has none of them."),
  field('fd.port', 'number', 'fd', 'kernel', 'socket', "Either end's port."),
  field('fd.cport', 'number', 'fd', 'kernel', 'socket', "The client's port."),
  field('fd.sport', 'number', 'fd', 'kernel', 'socket', "The server's port."),
  field('fd.lport', 'number', 'fd', 'kernel', 'socket', 'The local port.'),
  field('fd.rport', 'number', 'fd', 'kernel', 'socket', 'The remote port.'),
  field('fs.path.name', 'string', 'event', 'kernel', 'path', 'The path that the call names, made absolute.'),
  field('fs.path.source', 'string', 'event', 'kernel', 'two paths', 'The path that is renamed, linked or mounted.'),
  field('fs.path.target', 'string', 'event', 'kernel', 'two paths', 'The path that comes to be.'),
  field('proc.name', 'string', 'process', 'kernel', 'all', "The executable's name as of exec, at most 15 bytes."),
  field('proc.exe', 'string', 'process', 'kernel', 'all', 'The first argument, argv[0].'),
  field('proc.exepath', 'string', 'process', 'kernel', 'all', "The executable's path as the kernel resolved it."),
  field('proc.args', 'string', 'process', 'kernel', 'all', 'The arguments after the first, joined by blanks.'),
  field('proc.cmdline', 'string', 'process', 'kernel', 'all', 'proc.name and the arguments, joined by blanks.'),
  field('proc.cwd', 'string', 'event', 'user', 'all', 'The working directory.'),
  field('proc.is_exe_from_memfd', 'boolean', 'process', 'kernel', 'all', 'Whether the executable lies in anonymous memory (memfd_create).'),
  field('proc.pid', 'number', 'process', 'kernel', 'all', 'The process id.'),
  field('proc.ppid', 'number', 'event', 'kernel', 'all', "The parent's process id."),
  field('proc.pname', 'string', 'process', 'kernel', 'all', "The parent's proc.name."),
  field('proc.pexe', 'string', 'process', 'kernel', 'all', "The parent's proc.exe."),
  field('proc.pexepath', 'string', 'process', 'kernel', 'all', "The parent's proc.exepath."),
  field('proc.pcmdline', 'string', 'process', 'kernel', 'all', "The parent's proc.cmdline."),
  field('proc.aname', 'string', 'process', 'kernel', 'all', 'The proc.name of an ancestor: [1] is the parent; without index any ancestor.', ANCESTOR),
  field('proc.aexe', 'string', 'process', 'kernel', 'all', 'The proc.exe of an ancestor.', ANCESTOR),
  field('proc.aexepath', 'string', 'process', 'kernel', 'all', 'The proc.exepath of an ancestor.', ANCESTOR),
  field('proc.acmdline', 'string', 'process', 'kernel', 'all', 'The proc.cmdline of an ancestor.', ANCESTOR),
  field('proc.duration', 'number', 'event', 'user', 'all', 'Nanoseconds since the process started.'),
  field('thread.tid', 'number', 'event', 'kernel', 'all', 'The thread id.'),
  field('user.uid', 'number', 'event', 'kernel', 'all', 'The effective user id.'),
  field('user.loginuid', 'number', 'event', 'kernel', 'all', 'The user id of the login session; -1 without one.'),
  field('user.name', 'string', 'event', 'kernel', 'all', 'The name of the effective user on the host; `<NA>` where it has none, as in Falco.'),
  field('user.homedir', 'string', 'event', 'kernel', 'all', "The effective user's home directory; `<NA>` where it has none."),
  field('user.shell', 'string', 'event', 'kernel', 'all', "The effective user's shell; `<NA>` where it has none."),
  field('user.loginname', 'string', 'event', 'kernel', 'all', 'The name of the user who logged in; `<NA>` without a login session.'),
  field('group.gid', 'number', 'event', 'kernel', 'all', 'The effective group id.'),
  field('group.name', 'string', 'event', 'kernel', 'all', 'The name of the effective group on the host; `<NA>` where it has none.'),
  field('container.id', 'string', 'container', 'kernel', 'all', 'The first 12 characters of the container id; host outside of containers.'),
  field('container.full_id', 'string', 'container', 'kernel', 'all', 'The container id, all 64 characters; host outside of containers.'),
  field('container.name', 'string', 'container', 'kernel', 'all', "The container's name; host outside of containers."),
  field('container.type', 'string', 'container', 'kernel', 'all', 'docker, podman, containerd, cri-o or cri; host outside of containers.'),
  field('container.image', 'string', 'container', 'kernel', 'all', 'The image that the container was made from: docker.io/library/nginx:1.25.'),
  field('container.image.repository', 'string', 'container', 'kernel', 'all', "The image's repository, without tag; absent outside of containers."),
  field('container.image.tag', 'string', 'container', 'kernel', 'all', "The image's tag."),
  field('container.image.digest', 'string', 'container', 'kernel', 'all', "The digest of the image's manifest: sha256:..."),
  field('container.privileged', 'boolean', 'container', 'kernel', 'all', 'Whether the container runs privileged; absent outside of containers.'),
  field('container.mounts', 'string', 'container', 'kernel', 'all', 'All mounts, joined by commas, each source:destination:mode:writable:propagation.'),
  field('container.mount', 'string', 'container', 'kernel', 'all', 'One mount: [0] is the first, [/src*] the first whose source fits the pattern.', KEY),
  field('container.mount.source', 'string', 'container', 'kernel', 'all', 'The source of a mount, by number or by a pattern for its destination.', KEY),
  field('container.mount.dest', 'string', 'container', 'kernel', 'all', 'The destination of a mount, by number or by a pattern for its source.', KEY),
  field('container.mount.mode', 'string', 'container', 'kernel', 'all', 'The options of a mount, by number or by a pattern for its source.', KEY),
  field('container.mount.rdwr', 'string', 'container', 'kernel', 'all', 'true where a mount is writable, else false; by number or by a pattern for its source.', KEY),
  field('container.mount.propagation', 'string', 'container', 'kernel', 'all', 'How mounts propagate, by number or by a pattern for its source.', KEY),
  field('container.labels', 'string', 'container', 'kernel', 'all', "The container's labels: key:value, joined by commas, in the order of their keys."),
  field('container.label', 'string', 'container', 'kernel', 'all', 'One label of the container.', KEY),
  field('container.start_ts', 'number', 'container', 'user', 'all', 'When the container started, by its runtime: nanoseconds since 1970.'),
  field('container.duration', 'number', 'event', 'user', 'all', 'Nanoseconds since the container started.'),
  field('container.ip', 'string', 'container', 'kernel', 'all', "The container's own address; absent on the host's network."),
  field('k8s.ns.name', 'string', 'container', 'kernel', 'all', "The pod's Kubernetes namespace; absent outside of pods."),
  field('k8s.pod.name', 'string', 'container', 'kernel', 'all', "The pod's name; absent outside of pods."),
  field('k8s.pod.uid', 'string', 'container', 'kernel', 'all', "The pod's unique id in Kubernetes."),
  field('k8s.pod.id', 'string', 'container', 'kernel', 'all', 'The same as k8s.pod.uid; an old name.'),
  field('k8s.pod.sandbox_id', 'string', 'container', 'kernel', 'all', "The first 12 characters of the id of the pod's sandbox."),
  field('k8s.pod.full_sandbox_id', 'string', 'container', 'kernel', 'all', "The id of the pod's sandbox, all 64 characters."),
  field('k8s.pod.ip', 'string', 'container', 'kernel', 'all', "The pod's address; absent on the host's network."),
  field('k8s.pod.labels', 'string', 'container', 'kernel', 'all', "The pod's labels: key:value, joined by commas, in the order of their keys."),
  field('k8s.pod.label', 'string', 'container', 'kernel', 'all', 'One label of the pod.', KEY),
] as const;

/** A field's name. */
export type FieldName = (typeof FIELDS)[number]['name'];

const BY_NAME = new Map<string, Field>(FIELDS.map((entry) => [entry.name, entry]));

/** The catalogue's entry, undefined where there is none. */
export const fieldOf = (name: string): Field | undefined => BY_NAME.get(name);
