import { assemble, call, exit, R0, rsh } from '../../engine/isa/index.ts';
import { loadLinuxProgram } from './program.ts';
import { testRun } from './test-run.ts';

/** BPF_FUNC_get_current_pid_tgid (include/uapi/linux/bpf.h). */
const GET_CURRENT_PID_TGID = 14;

/**
 * The process id of this process in the first pid namespace, which in a namespace of its own neither process.pid nor /proc tells: what a program sees
 * that it runs. The program is attached to nothing. @throws BpfError
 */
export const ownPid = (): number => {
  const { instructions } = assemble([call(GET_CURRENT_PID_TGID), rsh(R0, 32), exit()]);
  const program = loadLinuxProgram({ name: 'own_pid', instructions, programType: 'raw_tracepoint' });
  try {
    return testRun(program.fd).returnValue;
  } finally {
    program.close();
  }
};
