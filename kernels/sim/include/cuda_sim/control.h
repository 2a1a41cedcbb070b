#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// What a test asks of the simulator. Not part of CUDA.
namespace cuda_sim {

enum class Order { Ascending, Descending, Random };
enum class Pace {
  LockStep,  ///< Every thread runs to its next synchronisation before any runs on.
  RunAhead,  ///< One warp runs as far as it can before the next one starts.
};

/// In what order the threads of a kernel run. Correct kernels give the same results under all.
struct Schedule {
  Pace pace = Pace::LockStep;
  Order order = Order::Ascending;  ///< Of lanes, warps and blocks.
  uint64_t seed = 0;               ///< Of Order::Random.
};
/// For kernels from now on. Begins as CUDA_SIM_SCHEDULE says, such as "run-ahead:random:7".
void set_schedule(const Schedule& schedule);
Schedule schedule();
/// "run-ahead:random:7" and back.
std::string to_string(const Schedule& schedule);
Schedule parse_schedule(const std::string& text);

enum class Check { Memory, Initialisation, Race, Synchronisation, Launch, Stream };
const char* name_of(Check check);

/// A mistake that was found.
struct Report {
  Check check;
  std::string kernel;
  std::string text;    ///< With source lines as file:line.
  uint64_t count = 1;  ///< How often the same one came up.
};

/// The mistakes found since the last call. Those that nobody takes are printed at exit, and make
/// the process end with exit code 70.
std::vector<Report> take_reports();
/// The number of mistakes that were not taken yet.
uint64_t pending_reports();

/// Whether kernels were compiled with access tracking (-fsanitize=thread), on which the checks of
/// races, initialisation and bounds rest.
bool tracks_accesses();

/// From now on, for good, accesses are not followed, and kernels run several times faster: for
/// programs that go on with kernels and shapes that they have been seen to run without a mistake.
void stop_tracking();

/// Counters of one kernel over all of its launches. Requests are of a warp.
struct Profile {
  std::string kernel;
  uint64_t launches = 0;
  uint64_t grid_blocks = 0;  ///< Launched.
  uint64_t blocks = 0;       ///< Carried out: fewer where blocks are sampled.
  uint64_t threads = 0;
  uint64_t barriers = 0;
  uint64_t warp_operations = 0;
  uint64_t atomics = 0;
  uint64_t load_requests = 0, load_sectors = 0, load_sectors_least = 0;
  uint64_t store_requests = 0, store_sectors = 0, store_sectors_least = 0;
  uint64_t load_bytes = 0, store_bytes = 0;
  uint64_t shared_requests = 0, shared_conflicts = 0, shared_bytes = 0;
  uint64_t races = 0, memory_errors = 0, uninitialised_reads = 0, synchronisation_errors = 0;
};

/// Counts sectors and bank conflicts from now on; slow.
void set_profiling(bool on);
std::vector<Profile> profiles();
void clear_profiles();

/// From now on at most `count` blocks of each launch are carried out, spread over its grid; 0: all.
/// For profiles of kernels too large to simulate: results are wrong, and reads of unwritten memory
/// are not reported. Also CUDA_SIM_SAMPLE_BLOCKS=count.
void sample_blocks(uint64_t count);

/// How often the host has waited for a device: synchronisations, and copies that do not go by way
/// of pinned memory.
uint64_t host_waits();

/// Carries out what streams hold only when something waits for it, so that a missing
/// synchronisation is seen by the host as well. Also CUDA_SIM_LAZY=1.
void set_lazy(bool lazy);

}  // namespace cuda_sim
