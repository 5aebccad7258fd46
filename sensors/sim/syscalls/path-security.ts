import type { Dentry } from '../kernel/dentries.ts';
import { Loan } from '../kernel/loan.ts';
import type { Path } from '../kernel/mounts.ts';
import type { Entry } from '../kernel/path-walk.ts';
import { askSecurity, isAsked, type SecurityArgument, type SecurityHook } from '../kernel/security.ts';
import type { SystemCall } from './call.ts';

/** Asks about what is made up for the question; 0 or a negative errno. */
const ask = (call: SystemCall, name: SecurityHook, args: (loan: Loan) => readonly SecurityArgument[]): number => {
  const { machine } = call;
  if (!isAsked(machine, name)) return 0;
  const loan = new Loan(machine.memory);
  const verdict = askSecurity(machine, name, args(loan));
  loan.end();
  return verdict;
};

const there = (loan: Loan, { parent, name }: Entry, file: Path | undefined): SecurityArgument =>
  file?.dentry ?? { at: loan.negativeDentry(parent.dentry, name) };

/*
 * The hooks of names are asked once the names are found and before the directories' permissions are looked at (fs/namei.c: do_unlinkat,
 * do_renameat2, do_linkat and do_symlinkat call vfs_* after them).
 */

export const askUnlink = (call: SystemCall, { parent }: Entry, victim: Path): number =>
  ask(call, 'path_unlink', (loan) => [{ at: loan.path(parent) }, victim.dentry]);

export const askRename = (
  call: SystemCall,
  from: Entry,
  source: Path,
  to: Entry,
  target: Path | undefined,
  flags: number,
): number =>
  ask(call, 'path_rename', (loan) => [
    { at: loan.path(from.parent) },
    source.dentry,
    { at: loan.path(to.parent) },
    there(loan, to, target),
    flags,
  ]);

export const askLink = (call: SystemCall, source: Dentry, entry: Entry): number =>
  ask(call, 'path_link', (loan) => [source, { at: loan.path(entry.parent) }, there(loan, entry, undefined)]);

export const askSymlink = (call: SystemCall, entry: Entry, target: string): number =>
  ask(call, 'path_symlink', (loan) => [
    { at: loan.path(entry.parent) },
    there(loan, entry, undefined),
    { at: loan.text(target) },
  ]);

/** chmod_common of fs/open.c asks before notify_change looks at who owns the file. */
export const askChmod = (call: SystemCall, path: Path, mode: number): number =>
  ask(call, 'path_chmod', (loan) => [{ at: loan.path(path) }, mode]);
