// libtorch's ProcessGroupGloo.hpp includes Gloo's headers, which its packages leave out. A process group holds Gloo's
// objects by pointer alone, so names are all that its class needs.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class Device;
class UnboundBuffer;
} // namespace transport

} // namespace gloo
