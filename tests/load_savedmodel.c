/* Load a SavedModel by TensorFlow's C++ loader, as a server does, and label pixels by it.

   load_savedmodel FOLDER INPUT OUTPUT BATCH HEIGHT WIDTH BANDS < floats > int32 labels
   INPUT and OUTPUT are names of operations in the graph; the output is the first of its operation
   whose type is int32. */

#include <stdio.h>
#include <stdlib.h>

#include "tensorflow/c/c_api.h"

static void require(TF_Status *status, const char *what) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

int main(int count, char **given) {
  if (count != 8) return 2;
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(
      options, NULL, given[1], tags, 1, graph, NULL, status);
  require(status, "load");

  int64_t shape[4];
  size_t values = 1;
  for (int i = 0; i < 4; i++) {
    shape[i] = atoll(given[4 + i]);
    values *= (size_t)shape[i];
  }
  TF_Tensor *pixels = TF_AllocateTensor(TF_FLOAT, shape, 4, values * sizeof(float));
  if (fread(TF_TensorData(pixels), sizeof(float), values, stdin) != values) return 3;

  TF_Output input = {TF_GraphOperationByName(graph, given[2]), 0};
  TF_Operation *operation = TF_GraphOperationByName(graph, given[3]);
  if (!input.oper || !operation) return 4;
  TF_Output output = {operation, 0};
  while (TF_OperationOutputType(output) != TF_INT32) output.index++;
  TF_Tensor *labels = NULL;
  TF_SessionRun(session, NULL, &input, &pixels, 1, &output, &labels, 1, NULL, 0, NULL, status);
  require(status, "run");
  fwrite(TF_TensorData(labels), 1, TF_TensorByteSize(labels), stdout);

  TF_DeleteTensor(pixels);
  TF_DeleteTensor(labels);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
