import { BtfError } from './btf-kinds.ts';

/** KSYM_NAME_LEN and the longest path or source line that is worth showing; longer texts are cut. */
const MAX_TEXT_BYTES = 4096;
/** Below that a decoder costs more than it saves. */
const SHORT_BYTES = 32;
const decoder = new TextDecoder();

/** The string section of a BTF, NUL-terminated texts one after the other. */
export interface BtfStrings {
  /** The text at an offset, at most 4,096 bytes of it. @throws BtfError */
  text(offset: number): string;
  /** Whether the text at an offset is `name`, without decoding it. */
  matcher(name: string): (offset: number) => boolean;
  /** Whether the text at an offset begins with `name`. */
  prefixMatcher(name: string): (offset: number) => boolean;
}

/** Texts of a string section that ends with a NUL byte. */
export function createStrings(bytes: Uint8Array): BtfStrings {
  const known = new Map<number, string>();
  /** Each byte belongs to one text, as a rule; names that all overlap would take forever. */
  let budget = 4 * bytes.length + 0x10_0000;

  const decode = (offset: number): string => {
    const limit = Math.min(offset + MAX_TEXT_BYTES, bytes.length);
    let end = offset;
    let ascii = true;
    for (; end < limit && bytes[end] !== 0; end++) if ((bytes[end] as number) > 0x7f) ascii = false;
    if (!ascii || end - offset > SHORT_BYTES) return decoder.decode(bytes.subarray(offset, end));
    let text = '';
    for (let at = offset; at < end; at++) text += String.fromCharCode(bytes[at] as number);
    return text;
  };

  const text = (offset: number): string => {
    const found = known.get(offset);
    if (found !== undefined) return found;
    if (offset >= bytes.length)
      throw new BtfError(`BTF name at ${offset} lies beyond the ${bytes.length} bytes of strings`);
    const decoded = decode(offset);
    budget -= decoded.length;
    if (budget < 0) throw new BtfError('BTF names overlap each other more than any compiler lets them');
    known.set(offset, decoded);
    return decoded;
  };

  const prefixMatcher = (name: string): ((offset: number) => boolean) => {
    const wanted = new TextEncoder().encode(name);
    const { length } = wanted;
    return (offset) => {
      for (let i = 0; i < length; i++) if (bytes[offset + i] !== wanted[i]) return false;
      return true;
    };
  };
  return { text, prefixMatcher, matcher: (name) => prefixMatcher(`${name}\0`) };
}

/** A name without its flavour, `task_struct` of `task_struct___old`, as bpf_core_essential_name_len of libbpf's relo_core.c cuts it. */
export function essentialName(name: string): string {
  for (let i = name.length - 5; i >= 0; i--)
    if (name[i] !== '_' && name.startsWith('___', i + 1) && name[i + 4] !== '_') return name.slice(0, i + 1);
  return name;
}
