import type { Finding } from './finding.ts';
import { hookFindings } from './hook-findings.ts';
import { lacking } from './privileges.ts';
import type { KernelReport } from './report.ts';

const MIB = 1024 * 1024;
/** What the agent, its maps and its ring buffers take at most. */
const AGENT_BYTES = 256 * MIB;

const mib = (bytes: number): string =>
  bytes < MIB ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / MIB)} MiB`;

const works = (area: Finding['area'], name: string, found: string): Finding => ({ area, name, state: 'works', found });

const kernelFindings = (report: KernelReport): readonly Finding[] => {
  const { release, level, privileges, unavailable } = report;
  if (unavailable !== undefined)
    return [
      {
        area: 'kernel',
        name: 'bpf(2)',
        state: 'missing',
        found: unavailable.why,
        costs: 'everything',
        remedy: unavailable.remedy,
        vital: true,
      },
    ];
  const { uid } = privileges;
  const lacks = lacking(privileges, ['CAP_BPF', 'CAP_PERFMON']);
  const granted = ['CAP_BPF', 'CAP_PERFMON'].filter((each) => !lacks.some((lack) => lack === each));
  return [
    works('kernel', 'release', `Linux ${release}, objects of level ${level}`),
    works('kernel', 'bpf(2)', `maps and programs load (uid ${uid}, ${granted.join(', ')})`),
    works('kernel', 'types', "/sys/kernel/btf/vmlinux describes the kernel's structs"),
    ...(report.jit === false
      ? [
          {
            area: 'kernel',
            name: 'JIT',
            state: 'weaker',
            found: 'programs are interpreted',
            costs: 'time: an event takes many times longer',
            remedy: 'sysctl net.core.bpf_jit_enable=1',
          } as const,
        ]
      : [works('kernel', 'JIT', 'programs are compiled')]),
    lockdownFinding(report),
    ...(report.unprivilegedBpf === 0
      ? [
          {
            area: 'kernel',
            name: 'unprivileged',
            state: 'weaker',
            found: 'any user may load programs',
            costs: 'nothing of Shrike; other kernels keep their users from it',
            remedy: 'sysctl kernel.unprivileged_bpf_disabled=2',
          } as const,
        ]
      : []),
  ];
};

const lockdownFinding = ({ lockdown }: KernelReport): Finding =>
  works(
    'kernel',
    'lockdown',
    lockdown === undefined || lockdown === 'none'
      ? 'none that shows'
      : `${lockdown}: programs may read the kernel's memory all the same`,
  );

const programFindings = ({ helpers, kfuncs, instructions, maps }: KernelReport): readonly Finding[] => {
  const absent = Object.entries(helpers).filter(([, { missing }]) => missing.length > 0);
  const functions = Object.values(kfuncs).flatMap(({ present }) => present);
  return [
    ...(absent.length === 0
      ? [works('programs', 'helpers', `all that are called at ${Object.keys(helpers).join(', ')}`)]
      : absent.map(
          ([hook, { missing }]): Finding => ({
            area: 'programs',
            name: 'helpers',
            state: 'missing',
            found: `programs at ${hook} may not call ${missing.join(', ')}`,
            costs: `rules at ${hook} that need them`,
            remedy: 'boot a newer kernel',
          }),
        )),
    works('programs', 'functions', functions.length === 0 ? 'none; none is needed' : functions.join(', ')),
    works(
      'programs',
      'instructions',
      instructions.present.length === 0 ? 'those of 6.1' : `those of 6.1, and ${instructions.present.join('; ')}`,
    ),
    maps.missing.length === 0
      ? works('programs', 'maps', maps.present.join(', '))
      : {
          area: 'programs',
          name: 'maps',
          state: 'missing',
          found: `no maps of type ${maps.missing.join(', ')}`,
          costs: 'all rules',
          remedy: 'boot a newer kernel, or one built with them',
          vital: true,
        },
  ];
};

const memoryFindings = ({ rings, memory }: KernelReport): readonly Finding[] => {
  const { limit, memlock, charged } = memory;
  const free = limit === undefined ? Number.POSITIVE_INFINITY : limit.bytes - limit.used;
  const short = rings.filter(({ asked, given }) => given < asked);
  return [
    short.length === 0
      ? works('memory', 'ring buffers', rings.map(({ given }) => mib(given)).join(' and '))
      : {
          area: 'memory',
          name: 'ring buffers',
          state: short.some(({ given }) => given === 0) ? 'missing' : 'weaker',
          found: `${short.map(({ asked, given }) => (given === 0 ? `none of ${mib(asked)}` : `${mib(given)} instead of ${mib(asked)}`)).join(', ')}`,
          costs: 'events when many come at once; what is lost is counted',
          remedy: 'raise memory.max of the cgroup that this runs in (MemoryMax= of a systemd unit)',
        },
    limit === undefined
      ? works('memory', 'limit', 'none of a memory cgroup')
      : free >= AGENT_BYTES
        ? works('memory', 'limit', `${mib(free)} of ${mib(limit.bytes)} are free (${limit.cgroup})`)
        : {
            area: 'memory',
            name: 'limit',
            state: 'weaker',
            found: `${mib(Math.max(0, free))} of ${mib(limit.bytes)} are free in the memory cgroup ${limit.cgroup}`,
            costs: 'the agent is ended by the kernel where it needs more; it takes up to 200 MiB',
            remedy: `raise the cgroup's memory.max (MemoryMax= of a systemd unit) by ${mib(AGENT_BYTES - Math.max(0, free))}`,
          },
    ...(charged && memlock !== undefined
      ? [
          {
            area: 'memory',
            name: 'locked memory',
            state: 'weaker',
            found: `maps are charged to RLIMIT_MEMLOCK, which is ${mib(memlock)}`,
            costs: 'larger maps and ring buffers',
            remedy: 'ulimit -l unlimited (LimitMEMLOCK=infinity of a systemd unit)',
          } as const,
        ]
      : []),
  ];
};

const cgroupFinding = ({ cgroup: { version, mount } }: KernelReport): Finding =>
  mount !== undefined
    ? works('host', 'cgroups', `v2 at ${mount}${version === 'hybrid' ? ', beside v1' : ''}`)
    : {
        area: 'host',
        name: 'cgroups',
        state: 'missing',
        found: version === 'v1' ? 'only v1 is mounted' : 'none is mounted',
        costs: 'everything: programs tell by the cgroup v2 which processes to look at',
        remedy:
          'mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified (make the folder first), or boot with systemd.unified_cgroup_hierarchy=1',
        vital: true,
      };

const abiText = (name: string, is: boolean | undefined): string =>
  `${name} calls ${is === undefined ? 'may be on' : is ? 'are on' : 'are off'}`;

const containerFinding = ({ runtimes }: KernelReport): Finding => {
  const closed = runtimes.filter(({ open }) => !open);
  if (closed.length > 0)
    return {
      area: 'host',
      name: 'containers',
      state: 'weaker',
      found: `this process may not connect to ${closed.map(({ path }) => path).join(', ')}`,
      costs: "names, images, labels and pods of that runtime's containers; their ids are known",
      remedy: "run as root, or add the user to the socket's group",
    };
  return works(
    'host',
    'containers',
    runtimes.length === 0
      ? 'no runtime listens here'
      : `facts come from ${runtimes.map(({ path }) => path).join(', ')}`,
  );
};

const hostFindings = (report: KernelReport): readonly Finding[] => [
  cgroupFinding(report),
  containerFinding(report),
  works('host', 'other calls', `${abiText('32-bit', report.ia32)}, ${abiText('x32', report.x32)}; both are seen`),
  report.statistics === undefined
    ? works('host', 'statistics', 'runs and time of programs can be counted (BPF_ENABLE_STATS)')
    : {
        area: 'host',
        name: 'statistics',
        state: 'weaker',
        found: `BPF_ENABLE_STATS is refused (${report.statistics})`,
        costs: 'how often programs ran and how long; what they missed is counted all the same',
        remedy: lacking(report.privileges, ['CAP_SYS_ADMIN']).length > 0 ? 'CAP_SYS_ADMIN' : 'boot Linux 5.8 or newer',
      },
  works('host', 'bpffs', report.bpffs === undefined ? 'not mounted; nothing is pinned' : `at ${report.bpffs}`),
];

/** What works and what doesn't, with what it costs and how to get it; only why, where nothing works. */
export const findingsOf = (report: KernelReport): readonly Finding[] =>
  report.unavailable !== undefined
    ? [...kernelFindings(report), cgroupFinding(report)]
    : [
        ...kernelFindings(report),
        ...hookFindings(report),
        ...programFindings(report),
        ...memoryFindings(report),
        ...hostFindings(report),
      ];

/** Whether Shrike can do nothing at all here. */
export const isHopeless = (findings: readonly Finding[]): boolean =>
  findings.some(({ state, vital }) => state === 'missing' && vital === true);
