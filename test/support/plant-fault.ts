/** A change to one source file that makes it wrong: `find` occurs there once. */
export interface Fault {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/**
 * A vitest plugin that plants a fault in the source under test, so that a suite can show that it would fail.
 * @param json a Fault; undefined plants none. @throws Error where the text isn't there once: the fault has to follow the source
 */
export function plantFault(json: string | undefined) {
  const fault = json === undefined ? undefined : (JSON.parse(json) as Fault);
  return {
    name: 'plant-fault',
    enforce: 'pre' as const,
    transform(code: string, id: string): string | undefined {
      if (!fault || !id.endsWith(`/${fault.file}`)) return undefined;
      const places = code.split(fault.find).length - 1;
      if (places !== 1)
        throw new Error(`${fault.file} has ${places} places with the text to plant a fault in: ${fault.find}`);
      return code.replace(fault.find, () => fault.replace);
    },
  };
}
