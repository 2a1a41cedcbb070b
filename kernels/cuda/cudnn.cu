#include <kestrel/kernels/cuda/cudnn.h>

#include <cublas_v2.h>
#include <cudnn.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/cuda/check.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/scratch.h>

namespace kestrel::gpu {
namespace {

/// Scratch memory that an algorithm may ask for.
constexpr size_t kMaxWorkspace = size_t{256} << 20;

void check_cudnn(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) {
    fail("[cudnn] ", call, " failed: ", cudnnGetErrorString(status),
         "; KESTREL_CUDA_CONV=implicit_gemm does without cuDNN");
  }
}
void check_cublas(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    fail("[cublas] ", call, " failed: ", cublasGetStatusString(status),
         "; KESTREL_CUDA_CONV=implicit_gemm does without cuBLAS");
  }
}
#define CUDNN_CHECK(call) check_cudnn((call), #call)
#define CUBLAS_CHECK(call) check_cublas((call), #call)

/// A handle per thread and device, never destroyed: the driver may be gone by then.
cudnnHandle_t cudnn_handle(Stream stream) {
  thread_local std::vector<cudnnHandle_t> handles(static_cast<size_t>(device_count()), nullptr);
  use_device(stream.device);
  cudnnHandle_t& handle = handles[static_cast<size_t>(stream.device)];
  if (!handle) CUDNN_CHECK(cudnnCreate(&handle));
  CUDNN_CHECK(cudnnSetStream(handle, static_cast<cudaStream_t>(stream.handle)));
  return handle;
}
cublasHandle_t cublas_handle(Stream stream) {
  thread_local std::vector<cublasHandle_t> handles(static_cast<size_t>(device_count()), nullptr);
  use_device(stream.device);
  cublasHandle_t& handle = handles[static_cast<size_t>(stream.device)];
  if (!handle) CUBLAS_CHECK(cublasCreate(&handle));
  CUBLAS_CHECK(cublasSetStream(handle, static_cast<cudaStream_t>(stream.handle)));
  return handle;
}

/// One of cuDNN's descriptors.
template <class Handle, cudnnStatus_t (*create)(Handle*), cudnnStatus_t (*destroy)(Handle)>
class Descriptor {
 public:
  Descriptor() { CUDNN_CHECK(create(&handle_)); }
  ~Descriptor() { destroy(handle_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};
using TensorDescriptor =
    Descriptor<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using FilterDescriptor =
    Descriptor<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor>;
using ConvolutionDescriptor =
    Descriptor<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor,
               cudnnDestroyConvolutionDescriptor>;

/// The operands of a convolution as cuDNN knows them.
struct Problem {
  TensorDescriptor input, output;
  FilterDescriptor weight;
  ConvolutionDescriptor convolution;

  Problem(const Conv2dGeometry& g, DType dtype) {
    const cudnnDataType_t type = dtype == DType::BFloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const auto size = [](int64_t value) { return static_cast<int>(value); };
    CUDNN_CHECK(cudnnSetTensor4dDescriptor(input.get(), CUDNN_TENSOR_NHWC, type, size(g.batch),
                                           size(g.channels), size(g.height), size(g.width)));
    CUDNN_CHECK(cudnnSetTensor4dDescriptor(output.get(), CUDNN_TENSOR_NHWC, type, size(g.batch),
                                           size(g.outputs), size(g.out_h), size(g.out_w)));
    CUDNN_CHECK(cudnnSetFilter4dDescriptor(weight.get(), type, CUDNN_TENSOR_NHWC, size(g.outputs),
                                           size(g.group_c), size(g.kernel_h), size(g.kernel_w)));
    CUDNN_CHECK(cudnnSetConvolution2dDescriptor(
        convolution.get(), size(g.pad_h), size(g.pad_w), size(g.stride_h), size(g.stride_w),
        size(g.dilation_h), size(g.dilation_w), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    CUDNN_CHECK(cudnnSetConvolutionGroupCount(convolution.get(), size(g.groups)));
    // float32 stays float32: no rounding to tf32.
    CUDNN_CHECK(cudnnSetConvolutionMathType(
        convolution.get(), dtype == DType::BFloat16 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH));
  }
};

/// The first of cuDNN's proposals, which it sorts by expected speed, that is deterministic and not
/// greedy.
template <class Perf, size_t count>
std::optional<Perf> pick(const std::array<Perf, count>& proposals, int found) {
  for (int i = 0; i < found; ++i) {
    const Perf& proposal = proposals[static_cast<size_t>(i)];
    if (proposal.status == CUDNN_STATUS_SUCCESS && proposal.determinism == CUDNN_DETERMINISTIC &&
        proposal.memory <= kMaxWorkspace) {
      return proposal;
    }
  }
  return std::nullopt;
}

bool is_supported(DType dtype) {
  return dtype == DType::Float32 || dtype == DType::BFloat16;
}

constexpr float kOne = 1;
constexpr float kZero = 0;

/// y = relu?(y + bias), bias of A where `wide`.
template <class T>
__global__ void finish_kernel(int64_t n, int64_t channels, const void* bias, bool wide, bool relu,
                              T* y) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    A value = static_cast<A>(y[i]);
    if (bias) {
      const int64_t c = i % channels;
      value +=
          wide ? static_cast<const A*>(bias)[c] : static_cast<A>(static_cast<const T*>(bias)[c]);
    }
    y[i] = static_cast<T>(relu && value < 0 ? A(0) : value);
  }
}

void finish(View y, ConstView bias, bool relu, Stream stream) {
  if (!bias && !relu) return;
  visit_compute(y.dtype, "conv2d", [&]<class T>(T) {
    launch_1d(finish_kernel<T>, y.numel(), stream, y.size(y.shape.dims() - 1), bias.data,
              bias.dtype != y.dtype, relu, y.as<T>());
  });
}

/// output = residual, where it is not there already.
void start_from(ConstView residual, View output, Stream stream) {
  if (residual.data == output.data) return;
  copy_on_device(output.data, residual.data,
                 static_cast<size_t>(output.numel() * size_of(output.dtype)), stream);
}

}  // namespace

bool has_cudnn() {
  return true;
}

bool cudnn_forward(const Conv2dGeometry& g, ConstView input, ConstView weight, ConstView bias,
                   ConstView residual, View output, bool relu, Stream stream) {
  if (!is_supported(input.dtype)) return false;
  const cudnnHandle_t handle = cudnn_handle(stream);
  const Problem problem(g, input.dtype);
  std::array<cudnnConvolutionFwdAlgoPerf_t, CUDNN_CONVOLUTION_FWD_ALGO_COUNT> proposals{};
  int found = 0;
  if (cudnnGetConvolutionForwardAlgorithm_v7(handle, problem.input.get(), problem.weight.get(),
                                             problem.convolution.get(), problem.output.get(),
                                             static_cast<int>(proposals.size()), &found,
                                             proposals.data()) != CUDNN_STATUS_SUCCESS) {
    return false;
  }
  const auto best = pick(proposals, found);
  if (!best) return false;
  if (residual) start_from(residual, output, stream);
  const Scratch<std::byte> workspace(static_cast<int64_t>(best->memory), stream);
  CUDNN_CHECK(cudnnConvolutionForward(
      handle, &kOne, problem.input.get(), input.data, problem.weight.get(), weight.data,
      problem.convolution.get(), best->algo, workspace.get(), best->memory,
      residual ? &kOne : &kZero, problem.output.get(), output.data));
  finish(output, bias, relu, stream);
  return true;
}

bool cudnn_backward_data(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                         View grad_input, Stream stream) {
  if (!is_supported(grad_output.dtype)) return false;
  const cudnnHandle_t handle = cudnn_handle(stream);
  const Problem problem(g, grad_output.dtype);
  std::array<cudnnConvolutionBwdDataAlgoPerf_t, CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT> proposals{};
  int found = 0;
  if (cudnnGetConvolutionBackwardDataAlgorithm_v7(
          handle, problem.weight.get(), problem.output.get(), problem.convolution.get(),
          problem.input.get(), static_cast<int>(proposals.size()), &found,
          proposals.data()) != CUDNN_STATUS_SUCCESS) {
    return false;
  }
  const auto best = pick(proposals, found);
  if (!best) return false;
  const Scratch<std::byte> workspace(static_cast<int64_t>(best->memory), stream);
  CUDNN_CHECK(cudnnConvolutionBackwardData(
      handle, &kOne, problem.weight.get(), weight.data, problem.output.get(), grad_output.data,
      problem.convolution.get(), best->algo, workspace.get(), best->memory, &kZero,
      problem.input.get(), grad_input.data));
  return true;
}

bool cudnn_backward_weights(const Conv2dGeometry& g, ConstView input, ConstView grad_output,
                            View grad_weight, Stream stream) {
  // cuDNN would round a float32 gradient of bfloat16 operands.
  if (!is_supported(input.dtype) || grad_weight.dtype != input.dtype) return false;
  const cudnnHandle_t handle = cudnn_handle(stream);
  const Problem problem(g, input.dtype);
  std::array<cudnnConvolutionBwdFilterAlgoPerf_t, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT>
      proposals{};
  int found = 0;
  if (cudnnGetConvolutionBackwardFilterAlgorithm_v7(
          handle, problem.input.get(), problem.output.get(), problem.convolution.get(),
          problem.weight.get(), static_cast<int>(proposals.size()), &found,
          proposals.data()) != CUDNN_STATUS_SUCCESS) {
    return false;
  }
  const auto best = pick(proposals, found);
  if (!best) return false;
  const Scratch<std::byte> workspace(static_cast<int64_t>(best->memory), stream);
  CUDNN_CHECK(cudnnConvolutionBackwardFilter(
      handle, &kOne, problem.input.get(), input.data, problem.output.get(), grad_output.data,
      problem.convolution.get(), best->algo, workspace.get(), best->memory, &kZero,
      problem.weight.get(), grad_weight.data));
  return true;
}

bool cublas_matmul(const MatmulSizes& size, ConstView a, ConstView b, View c,
                   const MatmulParams& params, Stream stream) {
  if (!is_supported(a.dtype) || size.k == 0) return false;
  if (params.bias && params.bias.dtype != c.dtype && c.dtype == DType::Float32) return false;
  const auto type = [](DType dtype) { return dtype == DType::BFloat16 ? CUDA_R_16BF : CUDA_R_32F; };
  // Row-major c = a * b is column-major c^T = b^T * a^T.
  const auto stride = [](ConstView matrix) { return static_cast<int>(matrix.size(1)); };
  CUBLAS_CHECK(cublasGemmEx(cublas_handle(stream), params.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                            params.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N, static_cast<int>(size.n),
                            static_cast<int>(size.m), static_cast<int>(size.k), &kOne, b.data,
                            type(b.dtype), stride(b), a.data, type(a.dtype), stride(a),
                            params.accumulate ? &kOne : &kZero, c.data, type(c.dtype),
                            static_cast<int>(size.n), CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
  finish(c, params.bias, params.relu, stream);
  return true;
}

}  // namespace kestrel::gpu
