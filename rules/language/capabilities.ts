/** Capabilities by number (include/uapi/linux/capability.h). */
export const CAPABILITIES: readonly string[] = `
  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN
  NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
  SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON
  BPF CHECKPOINT_RESTORE
`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

/** A set of capabilities as a text: their names in the order of their numbers, joined by blanks. */
export const capabilitiesText = (set: bigint): string =>
  CAPABILITIES.filter((_, number) => ((set >> BigInt(number)) & 1n) === 1n).join(' ');

/** The set that a text is the form of; undefined where it is none. */
export const parseCapabilities = (text: string): bigint | undefined => {
  const names = text === '' ? [] : text.split(' ');
  const set = names.reduce((all, name) => all | (1n << BigInt(Math.max(0, CAPABILITIES.indexOf(name)))), 0n);
  return capabilitiesText(set) === text ? set : undefined;
};
