/* Which of the threads that share a chain this one is. What cannot be shared (memory for scanning, who hears of dry
 * runs) is kept once for each lane, so that nothing is locked and a chain is compiled only once. */
#ifndef WEIR_BASE_LANE_H
#define WEIR_BASE_LANE_H

#define LANES_MAXIMUM 64u

/* Below LANES_MAXIMUM; 0 unless the thread was given another one. No two threads that use a chain at the same time may
 * have the same. */
extern _Thread_local unsigned lane_number;

#endif
