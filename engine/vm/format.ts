import type { VmEnvironment } from './environment.ts';

/** MAX_BPRINTF_BUF of kernel/bpf/helpers.c: what a string argument may take. */
const MAX_STRING = 512;
const CONVERSION = /%(?:%|([-+ 0]*)(\d*)(ll|l|)([diuxX])|([-+ 0]*)(\d*)(c|s|pks|pus|px|p))/y;

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

function integer(value: bigint, long: boolean, conversion: string): string {
  const bits = long ? 64 : 32;
  if (conversion === 'd' || conversion === 'i') return BigInt.asIntN(bits, value).toString();
  const digits = BigInt.asUintN(bits, value).toString(conversion === 'u' ? 10 : 16);
  return conversion === 'X' ? digits.toUpperCase() : digits;
}

function pad(text: string, flags: string, width: string): string {
  const length = Number(width || 0);
  if (flags.includes('-')) return text.padEnd(length);
  if (!flags.includes('0')) return text.padStart(length);
  return text.startsWith('-') ? `-${text.slice(1).padStart(length - 1, '0')}` : text.padStart(length, '0');
}

/**
 * What bpf_trace_printk prints: %d %i %u %x %X with l and ll, %c, %s, %p, %px, %pks, %pus, at most three arguments; undefined for a
 * format that the kernel answers with -EINVAL (bpf_bprintf_prepare in kernel/bpf/helpers.c).
 */
export function formatTrace(
  environment: VmEnvironment,
  format: Uint8Array,
  args: readonly bigint[],
): string | undefined {
  const nul = format.indexOf(0);
  if (nul < 0) return undefined;
  const source = new TextDecoder('latin1').decode(format.subarray(0, nul));
  if (/[^\x20-\x7e\s]/.test(source)) return undefined;
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
    const [, numberFlags = '', numberWidth = '', modifier, conversion, flags = '', width = '', other] = match;
    if (conversion) text += pad(integer(value, modifier !== '', conversion), numberFlags, numberWidth);
    else if (other === 'c') text += pad(String.fromCharCode(Number(value & 0xffn)), flags, width);
    else if (other === 'p' || other === 'px') text += pad(value.toString(16).padStart(16, '0'), flags, width);
    else text += pad(stringAt(environment, value), flags, width);
  }
  return text;
}
