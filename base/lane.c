/* The number is the thread's own; who starts the threads sets it. */
#include "base/lane.h"

_Thread_local unsigned lane_number;
