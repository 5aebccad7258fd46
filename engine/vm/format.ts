import type { VmEnvironment } from './environment.ts';

/** MAX_BPRINTF_VARARGS of include/linux/bpf.h. */
export const MAX_ARGUMENTS = 12;
/** MAX_BPRINTF_BIN_ARGS of kernel/bpf/helpers.c: what a string argument may take. */
const MAX_STRING = 512;
/** Flags, width, then: an integer; a character; a string, which only white space or punctuation may follow; a pointer in one of its forms. */
const CONVERSION =
  /%(?:%|([-+ 0]*)([1-9]\d*)?(?:(ll?)?([diuxX])|(c)|(s|pks|pus)(?![^\s!-/:-@[-`{-~])|p([iI][46]|[KxsSB]|(?![^\s!-/:-@[-`{-~]))))/y;

/** The string at an address, in the user's or the kernel's memory; as far as it can be read. */
function stringAt(environment: VmEnvironment, address: bigint): string {
  const { memory } = environment;
  let text = '';
  for (let i = 0; i < MAX_STRING; i++) {
    const at = address + BigInt(i);
    const offset = memory.offset(at, 1);
    const byte = offset === undefined ? environment.readUser(at, 1)?.[0] : memory.bytes[offset];
    if (!byte) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

function integer(value: bigint, long: boolean, conversion: string, flags: string): string {
  const bits = long ? 64 : 32;
  if (conversion === 'd' || conversion === 'i') {
    const text = BigInt.asIntN(bits, value).toString();
    if (text.startsWith('-')) return text;
    return `${flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''}${text}`;
  }
  const digits = BigInt.asUintN(bits, value).toString(conversion === 'u' ? 10 : 16);
  return conversion === 'X' ? digits.toUpperCase() : digits;
}

function pad(text: string, flags: string, width: string): string {
  const length = Number(width || 0);
  if (flags.includes('-')) return text.padEnd(length);
  if (!flags.includes('0')) return text.padStart(length);
  const sign = /^[-+ ]/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(length - sign.length, '0');
}

/** An IP address that a pointer leads to; zeroes where it can't be read. */
function address(environment: VmEnvironment, pointer: bigint, form: string): string {
  const length = form.endsWith('4') ? 4 : 16;
  const at = environment.memory.offset(pointer, length);
  const bytes = at === undefined ? new Uint8Array(length) : environment.memory.bytes.slice(at, at + length);
  if (length === 4) return [...bytes].map((byte) => (form === 'i4' ? `${byte}`.padStart(3, '0') : byte)).join('.');
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return form === 'i6' ? text : text.replace(/(.{4})(?=.)/g, '$1:');
}

/** A pointer in the form that the letters after %p ask for. Unlike the kernel, %p shows the address itself and no hash of it. */
function pointer(environment: VmEnvironment, value: bigint, form: string, width: string): string {
  if (/[iI]/.test(form)) return address(environment, value, form);
  if (form === '' || form === 'x' || form === 'K') return value.toString(16).padStart(width === '' ? 16 : 0, '0');
  const symbol = environment.symbol?.(value) ?? `0x${value.toString(16)}`;
  return form === 's' ? symbol.replace(/\+.*/, '') : symbol;
}

/**
 * What bpf_trace_printk, bpf_snprintf and bpf_seq_printf print, one byte a character: %d %i %u %x %X with l and ll, %c, %s, %pks, %pus, %p, %px,
 * %pK, %ps, %pS, %pB, %pi4, %pI4, %pi6, %pI6; undefined for what the kernel answers with -EINVAL (bpf_bprintf_prepare in kernel/bpf/helpers.c;
 * before 6.15 also for bytes beyond ASCII).
 */
export function formatText(
  environment: VmEnvironment,
  format: Uint8Array,
  args: readonly bigint[],
): Uint8Array | undefined {
  const nul = format.indexOf(0);
  if (nul < 0) return undefined;
  const source = new TextDecoder('latin1').decode(format.subarray(0, nul));
  if (/[^\x20-\x7e\t-\r\x80-\xff]/.test(source)) return undefined;
  let text = '';
  let used = 0;
  for (let i = 0; i < source.length; ) {
    if (source[i] !== '%') {
      text += source[i++];
      continue;
    }
    CONVERSION.lastIndex = i;
    const match = CONVERSION.exec(source);
    if (!match) return undefined;
    i += match[0].length;
    if (match[0] === '%%') {
      text += '%';
      continue;
    }
    const value = args[used++];
    if (value === undefined) return undefined;
    const [, flags = '', width = '', modifier, conversion, character, string, form = ''] = match;
    if (conversion) text += pad(integer(value, modifier !== undefined, conversion, flags), flags, width);
    else if (character) text += pad(String.fromCharCode(Number(value & 0xffn)), flags.replace('0', ''), width);
    else if (string) text += pad(stringAt(environment, value), flags.replace('0', ''), width);
    else if (/^[iIB]/.test(form)) text += pointer(environment, value, form, width);
    else text += pad(pointer(environment, value, form, width), flags, width);
  }
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
