/** Falco's fields that are not in the catalogue yet, so that a person is told "not yet" instead of "no such field". */
export const FALCO_FIELDS: ReadonlySet<string> = new Set(
  `evt.abspath evt.args evt.asynctype evt.buffer evt.buflen evt.category evt.count evt.count.error evt.count.exit evt.cpu evt.datetime
  evt.datetime.s evt.deltatime evt.hostname evt.info evt.is_async evt.is_io evt.is_io_read evt.is_io_write evt.is_open_exec evt.is_syslog
  evt.is_wait evt.latency evt.outputtime evt.pluginname evt.plugininfo evt.rawarg evt.rawtime evt.reltime evt.source evt.time.iso8601
  evt.time.s evt.wait_latency syscall.type
  fd.containerdirectory fd.containername fd.cproto fd.dev.major fd.dev.minor fd.is_server fd.is_upper_layer
  fd.lproto fd.nameraw fd.proto fd.rproto fd.sproto fd.types
  fd.uid
  fs.path.nameraw fs.path.sourceraw fs.path.targetraw
  proc.aargs proc.aenv proc.apid proc.cmdlenargs proc.cmdnargs proc.env proc.exe_ino proc.exe_ino.ctime
  proc.exe_ino.ctime_duration_pidns_start proc.exe_ino.ctime_duration_proc_start proc.exe_ino.mtime proc.fdlimit proc.fdopencount
  proc.fdusage proc.is_container_healthcheck proc.is_container_liveness_probe proc.is_container_readiness_probe proc.is_exe_lower_layer
  proc.is_exe_upper_layer proc.is_exe_writable proc.is_sid_leader proc.is_vpgid_leader proc.loginshellid proc.nchilds proc.nthreads
  proc.pid.ts proc.ppid.duration proc.ppid.ts proc.pvpid proc.sid proc.sid.exe proc.sid.exepath proc.sname proc.stdin.name proc.stdin.type
  proc.stderr.name proc.stderr.type proc.stdout.name proc.stdout.type proc.tty proc.vmrss proc.vmsize proc.vmswap proc.vpgid proc.vpgid.exe
  proc.vpgid.exepath proc.vpgid.name proc.vpid proc.pgid proc.pgid.name proc.pgid.exe proc.pgid.exepath proc.is_pgid_leader
  thread.cap_effective thread.cap_inheritable thread.cap_permitted thread.cgroup thread.cgroups thread.cpu thread.exectime thread.ismain
  thread.nametid thread.pfmajor thread.pfminor thread.totexectime thread.vtid thread.vmrss thread.vmsize
  container.cni.json container.created_time container.healthcheck container.image.full container.image.id container.info
  container.liveness_probe container.readiness_probe container.host_pid container.host_network container.host_ipc
  k8s.deployment.name k8s.pod.cni.json k8s.rc.id k8s.rc.name k8s.rs.id k8s.rs.name k8s.svc.id k8s.svc.name`.split(
    /\s+/,
  ),
);
