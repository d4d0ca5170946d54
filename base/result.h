// Result<T>: a value, or an Error that says where, what was expected and what was found.
// The library never throws across a room's border, never aborts on input and never prints.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace lowkey {

enum class ErrorCode {
  kInvalidArgument,  // the caller's options do not fit (exit code 2)
  kInvalidData,      // a file or text is damaged or inconsistent (exit code 2)
  kNotFound,         // a file or a named thing is absent (exit code 2)
  kUnsupported,      // well-formed, but not something this build can do (exit code 2)
  kIo,               // the system refused while running (exit code 1)
  kOutOfMemory,      // (exit code 1)
  kCancelled,        // stopped by the user (exit code 1)
};

struct Error {
  ErrorCode code = ErrorCode::kInvalidData;
  std::string where;  // file, tensor, option, byte offset: whatever finds the place
  std::string what;   // "expected X, found Y"

  std::string message() const { return where.empty() ? what : where + ": " + what; }
  /// 2: wrong arguments or input; 1: failed while running.
  int exit_code() const { return code >= ErrorCode::kIo ? 1 : 2; }
};

inline Error make_error(ErrorCode code, std::string where, std::string what) {
  return Error{code, std::move(where), std::move(what)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return check(), std::get<0>(state_); }
  const T& value() const& { return check(), std::get<0>(state_); }
  T&& value() && { return check(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { return std::get<1>(state_); }

 private:
  void check() const { LK_CHECK(ok(), error().message().c_str()); }
  std::variant<T, Error> state_;
};

/// Success, or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}
  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace lowkey

#define LK_CONCAT2(a, b) a##b
#define LK_CONCAT(a, b) LK_CONCAT2(a, b)

/// Returns the error of `expr` (a Status or Result) to the caller.
#define LK_RETURN_IF_ERROR(expr)                                              \
  do {                                                                        \
    if (auto&& lk_status = (expr); !lk_status.ok()) return lk_status.error(); \
  } while (0)

/// `LK_ASSIGN(auto x, f())`: x = value of f(), or return its error.
#define LK_ASSIGN(decl, expr) LK_ASSIGN2(LK_CONCAT(lk_result_, __LINE__), decl, expr)
#define LK_ASSIGN2(result, decl, expr)     \
  auto result = (expr);                    \
  if (!result.ok()) return result.error(); \
  decl = std::move(result).value()
