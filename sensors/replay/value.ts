/**
 * A value as strace prints it. `decoration` is what -y, -yy and -Y put in angle brackets behind it: a descriptor's path or
 * socket, a process's name.
 */
export type StraceValue =
  | { readonly kind: 'number'; readonly value: bigint; readonly decoration?: string }
  /** A name that stands for a number: `O_RDONLY`, `NULL`. */
  | { readonly kind: 'constant'; readonly name: string; readonly decoration?: string }
  /** `bytes` as the program passed them; `truncated` where strace cut them off (`"..."...`). */
  | { readonly kind: 'string'; readonly bytes: Uint8Array; readonly truncated: boolean }
  /** `left operator right`: `O_RDONLY|O_CLOEXEC`, `1<<3`, `8192*1024`, `WIFEXITED(s) && WEXITSTATUS(s) == 0`. */
  | { readonly kind: 'operation'; readonly operator: string; readonly left: StraceValue; readonly right: StraceValue }
  | { readonly kind: 'complement'; readonly of: StraceValue }
  /** A macro or function: `htons(80)`. */
  | { readonly kind: 'macro'; readonly name: string; readonly arguments: readonly StraceArgument[] }
  | { readonly kind: 'struct'; readonly members: readonly StraceArgument[]; readonly truncated: boolean }
  | { readonly kind: 'array'; readonly items: readonly StraceValue[]; readonly truncated: boolean }
  /** What an argument was before the call and after it: `[128 => 16]`. */
  | { readonly kind: 'change'; readonly before: StraceValue; readonly after: StraceValue }
  /** `???`, `?`, `<unavailable>`: strace could not read it. */
  | { readonly kind: 'unavailable' };

/** An argument or a struct's member, with its name where strace prints one (`flags=CLONE_VM`). */
export interface StraceArgument {
  readonly name?: string;
  readonly value: StraceValue;
}

/** What a call came to. */
export interface StraceResult {
  /** -1 of a failed call, a descriptor, an address; undefined for `?` (the call never returned, or was interrupted). */
  readonly value: bigint | undefined;
  /** `ENOENT`, also of interrupted calls (`ERESTARTSYS`); undefined where the call succeeded. */
  readonly errno: string | undefined;
  readonly decoration: string | undefined;
  /** The text in parentheses: `No such file or directory`, `flags O_RDWR`, `Timeout`. */
  readonly note: string | undefined;
}

const UTF8 = new TextDecoder();

/** A string value's text, bytes that are no UTF-8 replaced. */
export const textOf = (value: StraceValue | undefined): string | undefined =>
  value?.kind === 'string' ? UTF8.decode(value.bytes) : undefined;

/** A struct's member by name. */
export const memberOf = (value: StraceValue | undefined, name: string): StraceValue | undefined =>
  value?.kind === 'struct' ? value.members.find((member) => member.name === name)?.value : undefined;
