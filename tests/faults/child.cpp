#include "child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace kestrel::test {
namespace {

namespace fs = std::filesystem;

void redirect(const fs::path& file, int to) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(127);
  ::close(fd);
}

}  // namespace

Child::Child(const std::vector<std::string>& command, fs::path folder,
             const Environment& environment)
    : folder_(std::move(folder)) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  redirect(folder_ / "stdout.txt", STDOUT_FILENO);
  redirect(folder_ / "stderr.txt", STDERR_FILENO);
  if (::chdir(folder_.c_str()) != 0) ::_exit(127);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

void Child::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int Child::wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

std::string Child::output() const {
  return bytes_of(folder_ / "stdout.txt");
}
std::string Child::errors() const {
  return bytes_of(folder_ / "stderr.txt");
}

Finished run(const std::vector<std::string>& command, const fs::path& folder,
             const Environment& environment) {
  Child child(command, folder, environment);
  const int code = child.wait();
  return {code, child.output(), child.errors()};
}

fs::path fresh_folder(const std::string& name) {
  const fs::path memory = "/dev/shm";
  const fs::path root = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
  fs::path folder = root / ("kestrel_" + std::to_string(::getpid()) + "_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace kestrel::test
