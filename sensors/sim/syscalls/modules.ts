import { EFAULT, EPERM } from '../../../engine/maps/index.ts';
import { CAP_SYS_MODULE } from '../kernel/credentials.ts';
import { CallError, type CallHandler, type SystemCall } from './call.ts';

const mayLoad = (call: SystemCall): boolean => call.machine.permissions.capable(call.task.cred, CAP_SYS_MODULE);

/** Modules have no effect here but to be loaded: init_module(2). */
export const moduleCalls: Readonly<Record<string, CallHandler>> = {
  init_module: (call) => {
    if (!mayLoad(call)) return -EPERM;
    if (call.isNull(0)) throw new CallError(EFAULT);
    return 0;
  },
  finit_module: (call) => {
    if (!mayLoad(call)) return -EPERM;
    call.file(0);
    return 0;
  },
  delete_module: (call) => {
    if (!mayLoad(call)) return -EPERM;
    call.text(0);
    return 0;
  },
};
