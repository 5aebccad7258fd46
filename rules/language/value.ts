import type { FieldRef } from './ast.ts';

/** How far a value can be trusted; see docs/policies.md. */
export type Trust = 'resolved' | 'contestable' | 'as passed' | 'unknown';

/** A field's value on one event. List fields give an array; numbers are bigint. */
export type FieldValue =
  | {
      readonly state: 'present';
      readonly value: string | bigint | boolean | readonly string[];
      readonly trust: Trust;
      /** Of an address: the domain names that it has, and those of which that isn't known. They are compared in the value's place. */
      readonly names?: { readonly known: readonly string[]; readonly open: readonly string[] };
    }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown' };

/** Where user space takes fields from: an event with the process table behind it. */
export type FieldSource = (field: FieldRef) => FieldValue;
