import type { AuditLog } from '../alerts/index.ts';
import { CONFIG, SWITCH } from '../rules/index.ts';
import type { EnforcementSwitch, KernelMap } from '../sensors/index.ts';
import { FIRST } from './load.ts';

/** Several switches as one: enforcement is off where one of them is off. */
export const anySwitch = (switches: readonly EnforcementSwitch[]): EnforcementSwitch => ({
  get isOff() {
    return switches.some(({ isOff }) => isOff);
  },
  onChange: (listener) => {
    const stops = switches.map((each) => each.onChange(listener));
    return () => {
      for (const stop of stops) stop();
    };
  },
});

/** Has the switch in effect in a configuration: programs read it first, before any guard. */
const write = (config: KernelMap, isOff: boolean): void => {
  const value = config.lookup(FIRST);
  if (value === undefined) throw new Error('the configuration has no value');
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  view.setUint32(CONFIG.enforce, isOff ? SWITCH.off : SWITCH.on, true);
  const result = config.update(FIRST, value);
  if (result !== 0) throw new Error(`switching enforcement failed with errno ${-result}`);
};

/**
 * Follows a switch: writes each change into the configurations that run by then, and into the audit log. Returns how to stop that.
 * @param configs those of all generations of policies whose programs may run
 */
export const followSwitch = (
  control: EnforcementSwitch,
  configs: () => Iterable<KernelMap>,
  log: Pick<AuditLog, 'append'>,
): (() => void) => {
  if (control.isOff) log.append('enforcement', { switched: 'off', by: 'before the agent started' });
  let wasOff = control.isOff;
  return control.onChange((by) => {
    const { isOff } = control;
    if (isOff === wasOff) return;
    for (const config of configs()) write(config, isOff);
    wasOff = isOff;
    log.append('enforcement', { switched: isOff ? 'off' : 'on', by });
  });
};
