/** One value of a field. Numbers are bigint. */
export type Scalar = string | bigint | boolean;

/**
 * What an event has for a field: a value or several, none (`absent`), or one that can't be had (`unknown`). `untold`: the test does
 * not know which of these, so that conditions about it say nothing of this event.
 */
export type Fact =
  /** `open`: there are more values, which can't be had. */
  { readonly is: Scalar | readonly Scalar[]; readonly open?: boolean } | 'absent' | 'unknown' | 'untold';

/** An event's fields by their text (`proc.aname[2]`); those that are missing are absent. */
export type Facts = Pick<ReadonlyMap<string, Fact>, 'get'>;

/** A fact that is known. */
export const is = (value: Scalar | number | readonly Scalar[]): Fact => ({
  is: typeof value === 'number' ? BigInt(value) : value,
});

/** Several values, some of which may be unknown. */
export const listOf = (values: readonly (Scalar | undefined)[]): Fact => ({
  is: values.filter((value) => value !== undefined),
  open: values.includes(undefined),
});
