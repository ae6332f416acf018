// c10d's store and its Gloo process group behind functions of C. Each returns null, or what went wrong as a text that the
// caller hands back to c10d_free.

#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdint>
#include <cstring>
#include <string>

using std::chrono::milliseconds;

namespace {

struct Store {
  c10::intrusive_ptr<c10d::Store> store;
};

struct Group {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

char* text(const std::string& what) {
  return strdup(what.c_str());
}

template <typename Do>
char* guarded(Do&& act) {
  try {
    act();
    return nullptr;
  } catch (const c10::Error& error) {
    return text(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return text(error.what());
  } catch (...) {
    return text("an unknown error");
  }
}

std::vector<uint8_t> bytes(const char* value) {
  return std::vector<uint8_t>(value, value + strlen(value));
}

} // namespace

extern "C" {

void c10d_free(char* error) {
  free(error);
}

char* c10d_store_open(const char* host, uint16_t port, int serves, const char* prefix, int64_t timeout_ms, Store** out) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves != 0;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout_ms);
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
    *out = new Store{c10::make_intrusive<c10d::PrefixStore>(prefix, tcp)};
  });
}

void c10d_store_close(Store* store) {
  delete store;
}

char* c10d_store_set(Store* store, const char* key, const char* value) {
  return guarded([&] { store->store->set(key, bytes(value)); });
}

char* c10d_store_add(Store* store, const char* key, int64_t more, int64_t* sum) {
  return guarded([&] { *sum = store->store->add(key, more); });
}

char* c10d_store_has(Store* store, const char* key, int* has) {
  return guarded([&] { *has = store->store->check({key}); });
}

// The value goes back through c10d_free.
char* c10d_store_get(Store* store, const char* key, char** value) {
  return guarded([&] {
    auto found = store->store->get(key);
    *value = text(std::string(found.begin(), found.end()));
  });
}

char* c10d_group_open(
    Store* store, const char* address, const char* interface, int rank, int size, int64_t timeout_ms, Group** out) {
  return guarded([&] {
    auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout_ms));
    options->devices.push_back(
        *interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                   : c10d::ProcessGroupGloo::createDeviceForHostname(address));
    options->threads = 1;
    *out = new Group{c10::make_intrusive<c10d::ProcessGroupGloo>(store->store, rank, size, options)};
  });
}

void c10d_group_close(Group* group) {
  delete group;
}

char* c10d_all_reduce(Group* group, at::Tensor* tensor, int takes_max) {
  return guarded([&] {
    c10d::AllreduceOptions options;
    options.reduceOp = takes_max ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
    std::vector<at::Tensor> tensors{*tensor};
    group->gloo->allreduce(tensors, options)->wait();
  });
}

char* c10d_broadcast(Group* group, at::Tensor* tensor, int root) {
  return guarded([&] {
    c10d::BroadcastOptions options;
    options.rootRank = root;
    std::vector<at::Tensor> tensors{*tensor};
    group->gloo->broadcast(tensors, options)->wait();
  });
}

char* c10d_all_gather(Group* group, at::Tensor* all, at::Tensor* own) {
  return guarded([&] { group->gloo->_allgather_base(*all, *own)->wait(); });
}

// Rank 0's `all` gets the tensors of all, one after the other; the others' is not looked at.
char* c10d_gather(Group* group, at::Tensor* all, at::Tensor* own) {
  return guarded([&] {
    std::vector<std::vector<at::Tensor>> outputs;
    if (group->gloo->getRank() == 0) {
      outputs.push_back(all->chunk(group->gloo->getSize()));
    }
    std::vector<at::Tensor> inputs{*own};
    group->gloo->gather(outputs, inputs)->wait();
  });
}

char* c10d_barrier(Group* group) {
  return guarded([&] { group->gloo->barrier()->wait(); });
}
}
