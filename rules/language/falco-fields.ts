/** Fields of Falco that can't be had honestly, each group with its reason. */
const REFUSED: readonly (readonly [fields: string, reason: string])[] = [
  [
    'evt.latency evt.wait_latency evt.deltatime evt.reltime',
    'only the end of a call is seen, so that nothing measures how long it took or waited, nor the time since an event that no rule asked for',
  ],
  [
    'evt.asynctype evt.pluginname evt.plugininfo',
    'events come from system calls alone, not from plugins or asynchronous sources',
  ],
  ['evt.outputtime', "the alert's own time is `time` in its record; a template can't have it before it is raised"],
  ['evt.count.exit', 'an event is the end of a call, never its beginning, so that evt.count says it all'],
  [
    'fd.proto fd.cproto fd.sproto fd.lproto fd.rproto',
    'what a port is used for is not in the connection; a table of usual ports would only guess. Compare fd.port and its like',
  ],
  [
    'fd.types proc.fdopencount proc.fdlimit proc.fdusage',
    'it would take a walk over all descriptors of the process at each event',
  ],
  [
    'proc.is_exe_writable',
    'whether somebody may write depends on supplementary groups, access control lists, mounts and security modules; the bits that a program can read would be right for some files only',
  ],
  [
    'proc.exe_ino.ctime_duration_pidns_start',
    'when a pid namespace began is only known by its first process, which may have ended',
  ],
  [
    'proc.loginshellid',
    'which of the ancestors is a login shell is told by its name alone, which anybody can choose. Compare proc.aname',
  ],
  [
    'proc.vmrss proc.vmsize proc.vmswap thread.vmrss thread.vmsize thread.pfmajor thread.pfminor thread.exectime thread.totexectime',
    'it changes all the time and is kept per CPU in the kernel, so that a reading of it would be stale',
  ],
  [
    'proc.is_container_healthcheck proc.is_container_liveness_probe proc.is_container_readiness_probe container.healthcheck container.liveness_probe container.readiness_probe',
    "a probe's command line is all that tells it, which anybody in the container can imitate",
  ],
  ['thread.cgroup thread.cgroups', 'cgroups of version 1 are not read. Scope a policy by its cgroup instead'],
  ['container.cni.json k8s.pod.cni.json', "it is the network plugin's own answer, which runtimes don't hand on"],
  [
    'k8s.rc.id k8s.rc.name k8s.rs.id k8s.rs.name k8s.svc.id k8s.svc.name k8s.deployment.name',
    'only the API server of the cluster knows it, which is never asked. Compare k8s.pod.label',
  ],
];

/** Why there will be no field of a name that Falco has; undefined for all others. */
export const REFUSED_FIELDS: ReadonlyMap<string, string> = new Map(
  REFUSED.flatMap(([fields, reason]) => fields.split(' ').map((field) => [field, reason] as const)),
);

/** The reason as a detail of a finding; nothing for fields that only aren't there yet. */
export const becauseOf = (field: string): { readonly because?: string } => {
  const because = REFUSED_FIELDS.get(field);
  return because === undefined ? {} : { because };
};

/** Falco's fields that are not in the catalogue, so that a person is told "not yet" or why not instead of "no such field". */
export const FALCO_FIELDS: ReadonlySet<string> = new Set([
  ...REFUSED_FIELDS.keys(),
  ...`evt.buffer evt.buflen evt.cpu evt.is_syslog fd.is_upper_layer proc.stdin.name
  proc.stdin.type proc.stderr.name proc.stderr.type proc.stdout.name proc.stdout.type thread.cpu thread.nametid
  container.created_time container.image.full container.image.id container.info container.host_pid container.host_network
  container.host_ipc`.split(/\s+/),
]);
